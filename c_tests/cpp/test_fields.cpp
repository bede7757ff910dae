// FieldManager: fields by name and type, in batches, fronts and kernels; refusals by name.
#include "support.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

using namespace backbuf;

static FieldManager robot() {
    const double start[] = {1, 2, 3};
    return FieldManager(
        Fields().add<double>("qpos", {3}, start).add<std::uint16_t>("depth", {2, 4}).add<std::uint64_t>("step", {}));
}

static void each_field_is_an_array_of_its_own() {
    FieldManager m = robot();
    const auto depth = m.field<std::uint16_t>("depth");
    EXPECT(depth.index() == 1 && depth.shape() == Shape({2, 4}));
    const double angles[] = {7, 8};
    m.field<double>("qpos").enqueue(1, angles);
    depth.enqueue_fill({}, std::uint16_t{5});
    const std::uint16_t tile[] = {1, 2};
    depth.enqueue_region({0, 3}, {2, 1}, tile);
    depth.enqueue_kernel([](span<std::uint16_t> all) { all[0] = 9; }, {4, 1});
    m.field<std::uint64_t>("step").enqueue(0, std::uint64_t{42});
    m.synchronize();
    const FieldFront front = m.front();
    const auto seen = front.field<std::uint16_t>("depth");
    EXPECT(seen(0, 0) == 5 && seen(0, 3) == 1 && seen(1, 3) == 2 && seen(1, 0) == 9);
    EXPECT(front.field<double>("qpos")[0] == 1 && front.field<double>("qpos")[2] == 8);
    EXPECT(front.field<std::uint64_t>("step")[0] == 42 && front.epoch() == 1);
    EXPECT(m.field<std::uint64_t>("step").read() == 42 && depth.read(4) == 9);
    std::uint16_t last[2] = {};
    EXPECT(depth.read_into(6, last).epoch == 1 && last[0] == 5 && last[1] == 2);
    EXPECT_STATUS(BB_E_RANGE, depth.try_read_into(7, last).status());
}

static void a_batch_mixes_fields() {
    FieldManager m = robot();
    FieldBatch b = m.batch();
    b.field<double>("qpos").fill({}, 0.5);
    b.field<std::uint16_t>("depth").update(7, std::uint16_t{3});
    b.field<std::uint16_t>("depth").kernel([](span<std::uint16_t> all) { all[0] = all[7]; });
    b.tag(6);
    EXPECT_STATUS(BB_E_RANGE, b.field<std::uint16_t>("depth").try_update(8, std::uint16_t{1}));
    EXPECT(std::string_view(bb_last_error()).find("field 'depth'") != std::string_view::npos);
    b.commit();
    m.synchronize();
    const FieldFront front = m.front();
    EXPECT(front.tag() == 6 && front.field<double>("qpos")[1] == 0.5);
    EXPECT(front.field<std::uint16_t>("depth")(0, 0) == 3 && front.field<std::uint16_t>("depth")(1, 3) == 3);
}

static void the_back_is_written_in_place_or_undone() {
    FieldManager m = robot();
    FieldBack back = m.back();
    back.field<double>("qpos")[1] = back.front_field<double>("qpos")[1] + 10;
    back.field<std::uint16_t>("depth")(1, 2) = 4;
    EXPECT_THROWS(BB_E_ARGUMENT, back.field<float>("qpos"));
    EXPECT_THROWS(BB_E_NO_NAME, back.field<double>("qvel"));
    EXPECT_THROWS(BB_E_ARGUMENT, back.mark_written<float>("qpos", 0, 1));
    EXPECT_THROWS(BB_E_NO_NAME, back.mark_written<double>("qvel", 0, 1));
    EXPECT_THROWS(BB_E_RANGE, back.mark_written<double>("qpos", 1, UINT64_MAX));
    back.mark_written<double>("qpos", 1, 1);
    back.mark_written<std::uint16_t>("depth", 0, back.field<std::uint16_t>("depth").size());
    back.commit(3);
    EXPECT(!back);
    EXPECT_STATUS(BB_E_NULL, back.try_field<double>("qpos").status());
    m.synchronize();
    {
        const FieldBack undone = m.back();
        undone.field<double>("qpos")[1] = 0;
    }
    m.field<std::uint64_t>("step").enqueue(0, std::uint64_t{1});
    m.synchronize();
    EXPECT(m.front().field<double>("qpos")[1] == 12 && m.front().field<std::uint16_t>("depth")(1, 2) == 4);
}

static void borrowed_data_is_released() {
    bool done = false;
    static const double data[] = {4, 5, 6};
    {
        FieldManager m = robot();
        m.field<double>("qpos").enqueue_borrowed(0, data, [&] { done = true; });
        m.synchronize();
        EXPECT(m.front().field<double>("qpos")[2] == 6);
    }
    EXPECT(done);
}

static void names_the_elements_of_a_field_that_have_changed() {
    FieldManager m = robot();
    const auto depth = m.field<std::uint16_t>("depth");
    const auto qpos = m.field<double>("qpos");
    depth.enqueue(5, std::uint16_t{1});
    qpos.enqueue(2, 4.0);
    m.synchronize();
    qpos.enqueue(0, 5.0);
    m.synchronize();
    const FieldFront front = m.front();
    const auto pixels = front.changed_since(depth, 0);
    EXPECT(pixels.complete() && pixels.size() == 1 && pixels[0].first == 5 && pixels[0].count == 1);
    EXPECT(front.changed_since(depth, 1).empty());
    const auto joints = front.changed_since(qpos, 0);
    EXPECT(joints.size() == 2 && joints[0].first == 0 && joints[0].count == 1 && joints[1].first == 2);
    EXPECT(front.changed_since<1>(qpos, 0)[0].count == 3);
    const auto bytes = front.changed_since(0);
    EXPECT(bytes.size() == 3 && bytes[1].first == 16 && bytes[2].first == 64 + 10 && bytes[2].count == 2);
    EXPECT(front.changed_since(1).size() == 1);
    EXPECT_THROWS(BB_E_ARGUMENT, front.changed_since(depth, 3));
    EXPECT_THROWS(BB_E_ARGUMENT, front.changed_since(3));
    EXPECT_STATUS(BB_E_NULL, FieldFront().try_changed_since(depth, 0).status());
    EXPECT_STATUS(BB_E_NULL, FieldFront().try_changed_since(0).status());
}

static void wrong_names_and_types_are_refused() {
    FieldManager m = robot();
    EXPECT_THROWS(BB_E_NO_NAME, m.field<double>("qvel"));
    EXPECT_THROWS(BB_E_ARGUMENT, m.field<float>("qpos"));
    EXPECT_THROWS(BB_E_NO_NAME, m.front().field<double>("qvel"));
    EXPECT_THROWS(BB_E_ARGUMENT, m.front().field<float>("qpos"));
    EXPECT_THROWS(BB_E_ARGUMENT, m.batch().field<float>("qpos"));
    EXPECT_THROWS(BB_E_EXISTS, FieldManager(Fields().add<float>("a", {1}).add<float>("a", {1})));
    EXPECT_THROWS(BB_E_ARGUMENT, FieldManager{Fields{}});
    EXPECT_THROWS(BB_E_ARGUMENT, FieldManager(Fields().add<float>("", {1})));
    EXPECT_THROWS(BB_E_ARGUMENT, FieldManager(Fields().add<float>(std::string_view("a\0b", 3), {1})));
    const float one[] = {1};
    EXPECT_THROWS(BB_E_ARGUMENT, FieldManager(Fields().add<float>("a", {2}, one)));
    EXPECT_STATUS(BB_E_NULL, FieldManager().try_synchronize());
}

static void a_group_gives_the_layout() {
    const auto r = BufferRegistry::create();
    const int parent = 0;
    r.register_buffer(&parent, CUDABuffer::shared("k1", 10));
    const FieldManager m =
        FieldManager::from_group(r.handle(), reinterpret_cast<std::uintptr_t>(&parent), BB_SPACE_SHARED);
    m.field<float>("k1").enqueue(9, 2.f);
    m.synchronize();
    EXPECT(m.front().field<float>("k1")[9] == 2.f);
}

static void a_device_front_gives_buffer_and_offset() {
    const Device device = Device::host("fields");
    FieldManager m(Fields().add<double>("qpos", {3}).add<std::uint16_t>("depth", {2, 4}), Config().device(device));
    m.field<std::uint16_t>("depth").enqueue(7, std::uint16_t{3});
    m.synchronize();
    const DeviceFront front = m.front_device();
    const bb_device_field_view depth = front.field("depth");
    EXPECT(depth.native == front.native() && depth.offset == 64 && depth.bytes == 16 && depth.dtype == BB_U16);
    EXPECT(depth.ndim == 2 && depth.shape[1] == 4 && depth.strides[0] == 8);
    std::uint16_t last = 0;
    std::memcpy(&last, reinterpret_cast<const char *>(depth.native) + depth.offset + 14, sizeof(last));
    EXPECT(last == 3);
    const auto pixels = front.changed_since(m.field<std::uint16_t>("depth"), 0);
    EXPECT(pixels.size() == 1 && pixels[0].first == 7 && pixels[0].count == 1);
    EXPECT(front.changed_since(m.field<double>("qpos"), 0).empty() && front.changed_since(0)[0].first == 64 + 14);
    EXPECT_THROWS(BB_E_NO_NAME, front.field("qvel"));
    EXPECT_STATUS(BB_E_NULL, DeviceFront().try_field("depth").status());
}

int main() {
    UNITY_BEGIN();
    RUN(each_field_is_an_array_of_its_own);
    RUN(a_batch_mixes_fields);
    RUN(the_back_is_written_in_place_or_undone);
    RUN(borrowed_data_is_released);
    RUN(names_the_elements_of_a_field_that_have_changed);
    RUN(wrong_names_and_types_are_refused);
    RUN(a_group_gives_the_layout);
    RUN(a_device_front_gives_buffer_and_offset);
    return UNITY_END();
}
