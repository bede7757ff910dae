// The registry: buffers by name and owner, where they lie, what is refused, texts, devices.
#include "support.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

using backbuf::Arch;
using backbuf::BufferRegistry;
using backbuf::CUDABuffer;
using backbuf::CUDABufferUpdate;
using backbuf::forever;
using backbuf::Launch;
using backbuf::Location;
using backbuf::Parent;
using backbuf::PlanConfig;
using backbuf::Precision;
using backbuf::RegistryConfig;
using backbuf::SharedPer;
using backbuf::Updated;

static_assert(sizeof(BufferRegistry) == sizeof(void *) && sizeof(Parent) == sizeof(std::uint64_t));
static_assert(!std::is_copy_constructible_v<BufferRegistry> && std::is_nothrow_move_constructible_v<BufferRegistry>);
static_assert(!std::is_copy_assignable_v<BufferRegistry> && std::is_nothrow_move_assignable_v<BufferRegistry>);
static_assert(std::is_trivially_copyable_v<Parent> && std::is_trivially_copyable_v<Arch>);
static_assert(!std::is_constructible_v<Parent, bool> && !std::is_constructible_v<Parent, const char *>);
static_assert(!std::is_constructible_v<Parent, std::string> && !std::is_constructible_v<Parent, double>);

struct Solver {
    double step = 0.01;
};

// Shared, persistent and local elements of a parent.
using Sizes = std::array<std::uint64_t, 3>;
static Sizes sizes(const BufferRegistry &r, Parent parent) {
    return {r.shared_buffer_size(parent), r.persistent_local_buffer_size(parent), r.local_buffer_size(parent)};
}

static bool lies(const BufferRegistry &r, Parent parent, const char *name, std::uint32_t space, std::uint64_t offset,
                 std::uint64_t length) {
    const bb_allocator found = r.get_allocator(parent, name);
    return found.space == space && found.offset == offset && found.length == length;
}

static bool contains(const std::string &text, const char *what) { return text.find(what) != std::string::npos; }

static void buffers_lie_in_the_order_of_their_registration() {
    const auto r = BufferRegistry::create();
    const Solver solver;
    r.register_buffer(&solver, CUDABuffer::shared("k1", 100));
    r.register_buffer(&solver, CUDABuffer::local("tmp", 30).aliasing("k1"));
    r.register_buffer(&solver, CUDABuffer::local("history", 8).persistent());
    r.register_buffer(&solver, CUDABuffer::shared("k2", 5).persistent()); // lies in shared memory all the same
    r.register_buffer(&solver, CUDABuffer::local("none", 0));
    EXPECT(sizes(r, &solver) == Sizes({105, 8, 1}));

    const bb_allocator tmp = r.get_allocator(&solver, "tmp");
    EXPECT(tmp.space == BB_SPACE_SHARED && tmp.origin == BB_ORIGIN_ALIASED && tmp.precision == BB_F32);
    EXPECT(tmp.offset == 0 && tmp.length == 30 && tmp.zero_fill == 30 && tmp.byte_offset == 0);
    EXPECT(lies(r, &solver, "k2", BB_SPACE_SHARED, 100, 5) && lies(r, &solver, "history", BB_SPACE_PERSISTENT, 0, 8));
    const bb_allocator none = r.get_allocator(&solver, std::string("none"));
    EXPECT(none.space == BB_SPACE_LOCAL && none.length == 1 && none.zero_fill == 0);

    const bb_layout_info info = r.layout_info(&solver);
    EXPECT(info.buffers == 5 && info.shared == 105 && info.shared_bytes == 420 && info.local == 1 && !info.planned);
    EXPECT(info.version == r.version(&solver) && info.layout_hash == r.layout_hash(&solver));
    EXPECT(r.buffer_name(&solver, 0) == "k1" && r.buffer_name(&solver, 4) == "none");
    EXPECT_THROWS(BB_E_RANGE, r.buffer_name(&solver, 5));
}

static void a_parent_is_an_object_or_a_number() {
    const auto r = BufferRegistry::create();
    Solver one;
    const Solver two;
    r.register_buffer(&one, CUDABuffer::shared("a", 1));
    r.register_buffer(&two, CUDABuffer::shared("a", 2));
    r.register_buffer(0, CUDABuffer::shared("a", 3));
    r.register_buffer(std::uint64_t{5}, CUDABuffer::shared("a", 4));
    EXPECT(r.shared_buffer_size(&one) == 1 && r.shared_buffer_size(&two) == 2);
    EXPECT(r.shared_buffer_size(0) == 3 && r.shared_buffer_size(5) == 4);
    EXPECT(Parent(&one).key() == reinterpret_cast<std::uintptr_t>(&one) && Parent(-1).key() == UINT64_MAX);
    r.clear_parent(&one);
    EXPECT(r.shared_buffer_size(&one) == 0 && r.shared_buffer_size(&two) == 2 && r.version(&one) == 0);
    r.clear_parent(&one); // an unknown one is fine
    r.clear_layout(&one);
}

static void precisions_are_types() {
    const auto r = BufferRegistry::create(RegistryConfig().typed());
    r.register_buffer(1, CUDABuffer::shared("f32", 1));
    r.register_buffer(1, CUDABuffer::shared("f64", 1).of<double>());
    r.register_buffer(1, CUDABuffer::shared("i32", 1).of<std::int32_t>());
    r.register_buffer(1, CUDABuffer::shared("i64", 1).of<long>());
    r.register_buffer(1, CUDABuffer::shared("f16", 1).of(Precision::f16));
    EXPECT(r.get_allocator(1, "f32").precision == BB_F32 && r.get_allocator(1, "f64").precision == BB_F64);
    EXPECT(r.get_allocator(1, "i32").precision == BB_I32 && r.get_allocator(1, "i64").precision == BB_I64);
    EXPECT(r.get_allocator(1, "f16").precision == BB_F16);
    EXPECT(r.get_allocator(1, "f64").byte_offset == 8 && r.get_allocator(1, "i64").byte_offset == 24);
    EXPECT(r.layout_info(1).typed == 1 && r.layout_info(1).shared_align_bytes == 8);
}

// Some of the scenarios in tests/data/registry, as a user of C++ writes them.
static void scenarios_lie_where_they_should() {
    { // curated-045: a later sibling still fits after an earlier fallback
        const auto r = BufferRegistry::create();
        r.register_buffer(1, CUDABuffer::shared("a", 5));
        r.register_buffer(1, CUDABuffer::shared("b", 6).aliasing("a"));
        r.register_buffer(1, CUDABuffer::shared("c", 4).aliasing("a"));
        r.register_buffer(1, CUDABuffer::shared("d", 6).aliasing("b"));
        EXPECT(lies(r, 1, "d", BB_SPACE_SHARED, 5, 6) && lies(r, 1, "c", BB_SPACE_SHARED, 0, 4));
        EXPECT(lies(r, 1, "b", BB_SPACE_SHARED, 5, 6) && sizes(r, 1) == Sizes({11, 0, 0}));
        EXPECT(r.get_allocator(1, "b").origin == BB_ORIGIN_FELL_BACK);
    }
    { // curated-047: filled exactly, then overflow, the target not at 0
        const auto r = BufferRegistry::create();
        r.register_buffer(1, CUDABuffer::shared("c0", 3));
        r.register_buffer(1, CUDABuffer::shared("a", 10));
        r.register_buffer(1, CUDABuffer::shared("b", 4).aliasing("a"));
        r.register_buffer(1, CUDABuffer::shared("b2", 6).aliasing("a"));
        r.register_buffer(1, CUDABuffer::shared("b3", 1).aliasing("a"));
        EXPECT(lies(r, 1, "b", BB_SPACE_SHARED, 3, 4) && lies(r, 1, "b2", BB_SPACE_SHARED, 7, 6));
        EXPECT(lies(r, 1, "b3", BB_SPACE_SHARED, 13, 1) && sizes(r, 1) == Sizes({14, 0, 0}));
    }
    { // random_update-003: updates, a query and a cleared layout in between
        const auto r = BufferRegistry::create();
        r.register_buffer(1, CUDABuffer::local("b0", 9).persistent());
        r.register_buffer(1, CUDABuffer::local("b1", 55));
        r.register_buffer(1, CUDABuffer::local("b2", 13).persistent().aliasing("b1"));
        r.register_buffer(1, CUDABuffer::local("b3", 63));
        r.register_buffer(1, CUDABuffer::local("b4", 44).aliasing("b0"));
        EXPECT(r.update_buffer(1, "b2", CUDABufferUpdate().size(6)).changed);
        EXPECT(sizes(r, 1) == Sizes({0, 15, 162}));
        r.clear_layout(1);
        EXPECT(r.update_buffer(1, "b4", CUDABufferUpdate().aliasing("b2")).changed);
        EXPECT(!r.update_buffer(1, "b3", CUDABufferUpdate().persistent(false)).changed);
        EXPECT(r.update_buffer(1, "b3", CUDABufferUpdate().location(Location::shared)).changed);
        EXPECT(lies(r, 1, "b2", BB_SPACE_PERSISTENT, 9, 6) && lies(r, 1, "b3", BB_SPACE_SHARED, 0, 63));
        EXPECT(lies(r, 1, "b4", BB_SPACE_LOCAL, 0, 44) && sizes(r, 1) == Sizes({63, 15, 99}));
    }
    { // curated-030: the target leaves shared memory
        const auto r = BufferRegistry::create();
        r.register_buffer(1, CUDABuffer::shared("a", 10));
        r.register_buffer(1, CUDABuffer::shared("b", 4).aliasing("a"));
        EXPECT(r.update_buffer(1, "a", CUDABufferUpdate().location(Location::local)).changed);
        EXPECT(sizes(r, 1) == Sizes({4, 0, 10}));
    }
}

static void what_is_wrong_is_refused_and_changes_nothing() {
    const auto r = BufferRegistry::create(RegistryConfig().label("solvers"));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared("", 1)));
    EXPECT_THROWS(BB_E_NO_PARENT, r.json(1)); // not even an empty group
    r.register_buffer(1, CUDABuffer::shared("a", 4));
    r.register_buffer(1, CUDABuffer::shared("b", 2));
    const std::string before = r.json(1);
    const auto version = r.version(1);
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared(std::string(256, 'n'), 1)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared("\xff", 1)));
    EXPECT_THROWS(BB_E_ALIAS_SELF, r.register_buffer(1, CUDABuffer::shared("c", 1).aliasing("c")));
    EXPECT_THROWS(BB_E_EXISTS, r.register_buffer(1, CUDABuffer::shared("a", 4)));
    EXPECT_THROWS(BB_E_ALIAS_MISSING, r.register_buffer(1, CUDABuffer::shared("c", 1).aliasing("ghost")));
    EXPECT_THROWS(BB_E_ALIAS_MISSING, r.register_buffer(1, CUDABuffer::shared("c", 1).aliasing("")));
    EXPECT_THROWS(BB_E_RANGE, r.register_buffer(1, CUDABuffer::shared("c", UINT64_MAX)));
    EXPECT_THROWS(BB_E_RANGE, r.register_buffer(1, CUDABuffer::shared("c", 1).alive(5, 3)));
    EXPECT_THROWS(BB_E_RANGE, r.register_buffer(1, CUDABuffer::shared("c", 1).alive(0, 0)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared("c", 1).of(static_cast<Precision>(99))));
    EXPECT_THROWS(BB_E_NO_NAME, r.replace(1, CUDABuffer::shared("c", 1)));
    EXPECT_THROWS(BB_E_NO_PARENT, r.replace(2, CUDABuffer::shared("a", 1)));
    EXPECT_THROWS(BB_E_ALIAS_ORDER, r.update_buffer(1, "a", CUDABufferUpdate().aliasing("b")));
    EXPECT_THROWS(BB_E_ALIAS_ORDER, r.replace(1, CUDABuffer::shared("a", 1).aliasing("b")));
    EXPECT_THROWS(BB_E_NO_NAME, r.get_allocator(1, "c"));
    EXPECT_THROWS(BB_E_NO_PARENT, r.get_allocator(2, "a"));
    EXPECT_THROWS(BB_E_NO_PARENT, r.set_options(2, RegistryConfig()));
    EXPECT(r.json(1) == before && r.version(1) == version);

    const auto refused = r.try_register_buffer(1, CUDABuffer::shared("a", 4));
    EXPECT(refused == BB_E_EXISTS && contains(refused.text(), "name = 'a'") && contains(refused.text(), "solvers"));
}

static void a_name_is_not_cut_at_a_zero() {
    const auto r = BufferRegistry::create();
    const std::string cut("k1\0rest", 7);
    r.register_buffer(1, CUDABuffer::shared("k1", 4));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared(std::string("a\0b", 3), 1)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_buffer(1, CUDABuffer::shared("c", 1).aliasing(cut)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.replace(1, CUDABuffer::shared(cut, 1)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.update_buffer(1, cut, CUDABufferUpdate().size(1)));
    EXPECT_THROWS(BB_E_ARGUMENT, r.get_allocator(1, cut));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_child(1, cut, 2));
    EXPECT_THROWS(BB_E_ARGUMENT, r.register_child(1, "child", 2, cut));
    r.register_child(1, "child", 2, "k1");
    r.register_buffer(2, CUDABuffer::shared("inner", 3));
    EXPECT(r.get_allocator(1, "child.shared").origin == BB_ORIGIN_ALIASED);
    EXPECT_THROWS(BB_E_ARGUMENT, Arch::parse(std::string("90\0", 3)));
    EXPECT(contains(r.try_get_allocator(1, cut).status().text(), "NUL byte"));
    EXPECT(r.shared_buffer_size(1) == 4);
}

static void updates_report_what_they_changed() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("a", 10));
    r.register_buffer(1, CUDABuffer::shared("b", 4).aliasing("a").alive(2, 4));
    const auto met = [&](const char *name, const CUDABufferUpdate &update) {
        const Updated result = r.update_buffer(1, name, update);
        return result.recognized && result.changed;
    };
    EXPECT(!r.update_buffer(1, "ghost", CUDABufferUpdate().size(1)).recognized);
    EXPECT(!r.update_buffer(9, "a", CUDABufferUpdate().size(1)).recognized);
    EXPECT(r.update_buffer(1, "a", CUDABufferUpdate().size(10)).recognized && !met("a", CUDABufferUpdate().size(10)));
    EXPECT(!met("a", CUDABufferUpdate()) && met("a", CUDABufferUpdate().size(12).of<double>().alive(0, 3)));
    EXPECT(met("b", CUDABufferUpdate().not_aliasing()) && r.get_allocator(1, "b").offset == 12);
    EXPECT(met("b", CUDABufferUpdate().aliasing("a")) && r.get_allocator(1, "b").offset == 0);
    EXPECT(met("b", CUDABufferUpdate().persistent()) && met("b", CUDABufferUpdate().location(Location::local)));
    EXPECT(met("b", CUDABufferUpdate().always_alive()) && !met("b", CUDABufferUpdate().always_alive()));
    EXPECT_THROWS(BB_E_RANGE, r.update_buffer(1, "b", CUDABufferUpdate().alive(0, 0)));
    EXPECT_THROWS(BB_E_ALIAS_SELF, r.update_buffer(1, "b", CUDABufferUpdate().aliasing("b")));
    r.replace(1, CUDABuffer::shared("b", 7));
    EXPECT(sizes(r, 1) == Sizes({19, 0, 0}) && r.buffer_name(1, 1) == "b");
}

static void children_are_live() {
    const auto r = BufferRegistry::create();
    const Solver host;
    const Solver child;
    r.register_child(&host, "inner", &child); // unknown yet
    r.register_buffer(&host, CUDABuffer::shared("a", 1));
    const auto version = r.version(&host);
    r.register_buffer(&child, CUDABuffer::shared("x", 9));
    r.register_buffer(&child, CUDABuffer::local("kept", 5).persistent());
    EXPECT(sizes(r, &host) == Sizes({10, 5, 0}) && r.version(&host) != version);
    EXPECT(lies(r, &host, "a", BB_SPACE_SHARED, 9, 1) && lies(r, &host, "inner.shared", BB_SPACE_SHARED, 0, 9));
    EXPECT_THROWS(BB_E_STATE, r.register_child(&child, "outer", &host));
    EXPECT_THROWS(BB_E_EXISTS, r.register_child(&host, "inner", 3));
    r.clear_parent(&child);
    EXPECT(sizes(r, &host) == Sizes({1, 0, 0}));
}

static void options_say_how_a_parent_lays_out() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("narrow", 3));
    r.register_buffer(1, CUDABuffer::shared("wide", 1).of<double>());
    EXPECT(r.shared_buffer_size(1) == 4 && r.layout_info(1).shared_bytes == BB_NO_BYTES);
    EXPECT_THROWS(BB_E_STATE, r.shared_bytes(1, 32));
    r.set_options(1, RegistryConfig().typed().shared_per(SharedPer::thread));
    EXPECT(r.get_allocator(1, "wide").byte_offset == 16 && r.shared_stride_bytes(1) == 24);
    EXPECT(r.shared_bytes(1, 32) == 32 * 24);
    r.register_buffer(2, CUDABuffer::shared("words", 4));
    r.set_options(2, RegistryConfig().typed().shared_per(SharedPer::thread));
    EXPECT(r.shared_stride_bytes(2) == 20); // an odd number of words
    r.set_options(2, RegistryConfig().typed().shared_per(SharedPer::thread).bank_skew(false));
    EXPECT(r.shared_stride_bytes(2) == 16 && r.layout_info(2).bank_skew == 0);
    r.register_buffer(3, CUDABuffer::shared("kept", 4).persistent());
    r.register_buffer(3, CUDABuffer::shared("slice", 4).aliasing("kept"));
    EXPECT(r.shared_buffer_size(3) == 4);
    r.set_options(3, RegistryConfig().protect_persistent());
    EXPECT(r.shared_buffer_size(3) == 8 && r.layout_info(3).protect_persistent == 1);
}

static void layouts_are_stored_loaded_and_compared() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("größe", 10));
    r.register_buffer(1, CUDABuffer::local("slice", 4).aliasing("größe"));
    const std::string stored = r.json(1);
    EXPECT(contains(stored, "größe") && stored.find('\0') == std::string::npos);
    EXPECT_THROWS(BB_E_EXISTS, r.load_json(1, stored));
    r.load_json(2, stored);
    EXPECT(r.json(2) == stored && r.layout_hash(2) == r.layout_hash(1));
    EXPECT(backbuf::layout_diff(stored, r.json(2)).empty());
    r.update_buffer(2, "slice", CUDABufferUpdate().size(6));
    EXPECT(backbuf::layout_diff(stored, r.json(2)) ==
           "slice: shared 0..4 f32, in größe -> shared 0..6 f32, in größe\n");
    EXPECT(r.layout_hash(2) != r.layout_hash(1));
    const auto malformed = r.try_load_json(3, std::string_view(stored).substr(0, stored.size() / 2));
    EXPECT(malformed == BB_E_ARGUMENT && contains(malformed.text(), "line"));
    EXPECT_THROWS(BB_E_ARGUMENT, r.load_json(3, {}));
    EXPECT_STATUS(BB_E_ARGUMENT, backbuf::try_layout_diff(stored, "no layout").status());
}

static void overlaps_and_bank_conflicts_are_reported() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("a", 8).alive(0, 4));
    r.register_buffer(1, CUDABuffer::shared("b", 8).aliasing("a").alive(4, 6));
    EXPECT(!contains(r.overlaps(1), "\"first\"")); // they take turns
    r.update_buffer(1, "b", CUDABufferUpdate().alive(3, 6));
    EXPECT(contains(r.overlaps(1), "\"first\": \"a\", \"second\": \"b\""));
    EXPECT(contains(r.banks(1), "\"stride_bytes\": 32"));
    EXPECT_THROWS(BB_E_NO_PARENT, r.overlaps(2));
    EXPECT_THROWS(BB_E_NO_PARENT, r.banks(2));
}

static void three_of_which_two_are_alive(const BufferRegistry &r, Parent parent) {
    r.register_buffer(parent, CUDABuffer::shared("k1", 100).alive(0, 2));
    r.register_buffer(parent, CUDABuffer::shared("k2", 60).alive(1, 3));
    r.register_buffer(parent, CUDABuffer::shared("k3", 90).alive(2, 4));
}

static void a_plan_places_what_takes_turns_in_the_same_memory() {
    const auto r = BufferRegistry::create();
    three_of_which_two_are_alive(r, 1);
    EXPECT(r.shared_buffer_size(1) == 250);
    const bb_registry_plans plan = r.plan(1);
    EXPECT(plan.shared_height == 160 && plan.shared_lower_bound == 160 && plan.shared_exact == 1);
    EXPECT(plan.shared_buffers == 3 && plan.persistent_buffers == 0);
    EXPECT(r.shared_buffer_size(1) == 160 && r.layout_info(1).planned == 1);
    r.clear_layout(1);
    EXPECT(r.shared_buffer_size(1) == 250 && r.layout_info(1).planned == 0);
    const auto config = PlanConfig().budget(0ms).seed(3).threads(2).nodes(1000).target(200);
    EXPECT(r.plan(1, config).shared_height <= 200);
    EXPECT_THROWS(BB_E_NO_PARENT, r.plan(2));
    EXPECT_STATUS(BB_E_NO_PARENT, r.try_plan(2).status());
}

// Sizes and lifetimes for which no height is easily proved, from a generator of its own.
static void many_that_are_alive(const BufferRegistry &r, Parent parent) {
    std::uint32_t state = 7;
    const auto next = [&](std::uint32_t below) {
        state = state * 1664525 + 1013904223;
        return (state >> 8) % below;
    };
    for (int i = 0; i < 300; i++) {
        const std::uint64_t begin = next(200);
        r.register_buffer(parent,
                          CUDABuffer::shared(std::to_string(i), 1 + next(997)).alive(begin, begin + 1 + next(60)));
    }
}

static void a_search_is_ended_by_the_function_that_is_asked() {
    const auto r = BufferRegistry::create();
    many_that_are_alive(r, 1);
    std::atomic<int> asked{0};
    const bb_registry_plans plan =
        r.plan(1, PlanConfig().budget(forever).threads(2).cancelled([&] { return ++asked >= 3; }));
    EXPECT(asked >= 3 && plan.shared_height >= plan.shared_lower_bound && plan.shared_buffers == 300);
    EXPECT(r.shared_buffer_size(1) == plan.shared_height && r.layout_info(1).planned == 1);

    const auto broken = PlanConfig().budget(forever).threads(2).cancelled(
        []() -> bool { throw std::runtime_error("the light went out"); });
    std::string raised;
    try {
        r.plan(1, broken);
    } catch (const std::runtime_error &e) {
        raised = e.what();
    }
    EXPECT(raised == "the light went out");
}

static void a_parent_that_changes_meanwhile_is_not_planned() {
    const auto r = BufferRegistry::create();
    many_that_are_alive(r, 1);
    bool changed = false;
    EXPECT_THROWS(BB_E_BUSY, r.plan(1, PlanConfig().budget(forever).cancelled([&] {
        if (!std::exchange(changed, true))
            r.register_buffer(1, CUDABuffer::shared("late", 1));
        return true;
    })));
    EXPECT(changed && r.layout_info(1).planned == 0 && r.layout_info(1).buffers == 301);
}

static void a_layout_is_written_as_cuda_table_and_picture() {
    const auto r = BufferRegistry::create();
    const Solver solver;
    r.register_buffer(&solver, CUDABuffer::shared("k1", 100));
    r.register_buffer(&solver, CUDABuffer::shared("tmp", 30).aliasing("k1"));
    r.register_buffer(&solver, CUDABuffer::local("history", 8).persistent());
    const std::string header = r.emit_cuda_header(&solver, "solver::lorenz");
    EXPECT(contains(header, "namespace solver::lorenz {") &&
           contains(header, "constexpr unsigned long long k1_length = 100;"));
    EXPECT(header == r.emit_cuda_header(&solver, std::string("solver::lorenz")));
    EXPECT_THROWS(BB_E_ARGUMENT, r.emit_cuda_header(&solver, "no namespace"));
    EXPECT_THROWS(BB_E_ARGUMENT, r.emit_cuda_header(&solver, std::string("cut\0here", 8)));
    EXPECT(r.table(&solver) == "name     space       offset  length  type  bytes  origin\n"
                               "k1       shared           0     100  f32     400  own\n"
                               "tmp      shared           0      30  f32     120  in k1\n"
                               "history  persistent       0       8  f32      32  own\n"
                               "shared: 100 f32, 400 bytes a block\n"
                               "persistent: 8 f32, 32 bytes\n");
    const std::string picture = r.svg(&solver);
    EXPECT(picture.rfind("<svg ", 0) == 0 && contains(picture, "history") && contains(picture, "</svg>"));
    EXPECT_STATUS(BB_E_NO_PARENT, r.try_emit_cuda_header(2, "a").status());
    EXPECT_STATUS(BB_E_NO_PARENT, r.try_table(2).status());
    EXPECT_STATUS(BB_E_NO_PARENT, r.try_svg(2).status());
    r.register_buffer(&solver, CUDABuffer::shared("tmp_length", 1));
    EXPECT_THROWS(BB_E_EXISTS, r.emit_cuda_header(&solver, "taken"));
    r.update_buffer(&solver, "k1", CUDABufferUpdate().of<double>());
    EXPECT_THROWS(BB_E_STATE, r.emit_cuda_header(&solver, "mixed"));
}

static void a_launch_fits_a_device_or_the_reason_is_reported() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("tile", 20000));
    r.register_buffer(1, CUDABuffer::shared("small", 10));
    EXPECT(Arch::parse("sm_86").cc() == 86 && Arch::parse("9.0").cc() == Arch(9, 0).cc());
    EXPECT_THROWS(BB_E_ARGUMENT, Arch::parse("sm_61"));
    EXPECT_THROWS(BB_E_ARGUMENT, Arch(6, 1).limits());
    bb_limits limits = Arch(8, 6).limits();
    const bb_fit fit = r.check(1, limits, Launch(128).registers(32));
    EXPECT(fit.shared_bytes == 80040 && fit.needs_opt_in && fit.blocks_per_sm == 1 && fit.bound == BB_BOUND_SHARED);
    EXPECT(r.check(1, limits, 128).shared_bytes == 80040);
    limits.shared_block_bytes = 64 << 10;
    const auto unfit = r.try_check(1, limits, 128);
    EXPECT(unfit.status() == BB_E_LIMIT && contains(unfit.status().text(), "tile"));
    EXPECT_THROWS(BB_E_LIMIT, r.check(1, Arch(8, 6).limits(), Launch(128).static_shared_bytes(32 << 10)));
    EXPECT_THROWS(BB_E_LIMIT, r.check(1, Arch(8, 6).limits(), Launch(128).shared_per(SharedPer::thread)));
    EXPECT_THROWS(BB_E_RANGE, r.check(1, Arch(8, 6).limits(), 0));
    EXPECT(r.fits(1, Arch(8, 6), 128) && !r.fits(1, Arch(7, 5), 128) && r.needs_opt_in(1, 128));
    EXPECT(r.shared_bytes(1, 128) == 80040 && r.shared_stride_bytes(1) == 80040);
    EXPECT(r.shared_bytes(2, 128) == 0 && !r.needs_opt_in(2, 128));
    EXPECT_THROWS(BB_E_ARGUMENT, r.fits(1, Arch(), 128));
}

static void nothing_is_thrown_by_try() {
    auto made = BufferRegistry::try_create(RegistryConfig().label("quiet"));
    EXPECT(made);
    const BufferRegistry r = *std::move(made);
    EXPECT_STATUS(BB_OK, r.try_register_buffer(1, CUDABuffer::shared("a", 4)));
    EXPECT_STATUS(BB_OK, r.try_replace(1, CUDABuffer::shared("a", 5)));
    EXPECT(r.try_update_buffer(1, "a", CUDABufferUpdate().size(6))->changed);
    EXPECT_STATUS(BB_OK, r.try_register_child(1, "inner", 2));
    EXPECT_STATUS(BB_OK, r.try_set_options(1, RegistryConfig()));
    EXPECT(r.try_shared_buffer_size(1).value_or(0) == 6 && r.try_local_buffer_size(1).value_or(9) == 0);
    EXPECT(r.try_persistent_local_buffer_size(1).value_or(9) == 0 && r.try_get_allocator(1, "a")->length == 6);
    EXPECT(r.try_layout_info(1)->buffers == 3 && r.try_version(1) && r.try_layout_hash(1));
    EXPECT(r.try_buffer_name(1, 0).value_or("") == "a" && r.try_overlaps(1) && r.try_banks(1));
    EXPECT_STATUS(BB_OK, r.try_load_json(3, *r.try_json(1)));
    EXPECT(r.try_check(1, *Arch(9, 0).try_limits(), 32)->shared_bytes == 24 && Arch::try_parse("90")->cc() == 90);
    EXPECT(r.try_shared_bytes(1, 32).value_or(0) == 24 && r.try_shared_stride_bytes(1).value_or(0) == 24);
    EXPECT(*r.try_fits(1, Arch(9, 0), 32) && !*r.try_needs_opt_in(1, 32));
    EXPECT_STATUS(BB_OK, r.try_clear_layout(1));
    EXPECT_STATUS(BB_OK, r.try_clear_parent(1));
    EXPECT_STATUS(BB_E_NO_PARENT, r.try_json(1).status());
}

static void handles_are_given_away_and_adopted() {
    auto r = BufferRegistry::create(RegistryConfig().label("handed over"));
    r.register_buffer(1, CUDABuffer::shared("a", 4));
    BufferRegistry moved = std::move(r);
    EXPECT(!r && moved && moved.shared_buffer_size(1) == 4); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, r.shared_buffer_size(1));
    EXPECT_THROWS(BB_E_NULL, r.register_buffer(1, CUDABuffer::shared("b", 4)));
    EXPECT_THROWS(BB_E_NULL, r.json(1));
    bb_registry *raw = moved.release();
    EXPECT(!moved && bb_handle_check(raw) == BB_OK);
    {
        const auto adopted = BufferRegistry::adopt(raw);
        EXPECT(contains(adopted.try_json(2).status().text(), "handed over"));
    }
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
}

static void a_text_that_grows_between_two_calls_is_asked_for_again() {
    std::size_t calls = 0;
    const auto result = backbuf::detail::text([&](char *text, std::uint64_t room, std::uint64_t *length) noexcept {
        const std::string now(std::min<std::size_t>(++calls, 4), 'x');
        if (text != nullptr && room <= now.size())
            return BB_E_RANGE;
        if (text != nullptr)
            text[now.copy(text, now.size())] = '\0';
        *length = now.size();
        return BB_OK;
    });
    EXPECT(result && *result == "xxxx" && calls == 6);
}

// A text is whole whatever other threads do to its parent between the two calls that get it.
static void any_thread_may_call_at_any_time() {
    const auto r = BufferRegistry::create();
    r.register_buffer(1, CUDABuffer::shared("first", 1));
    std::atomic<int> running{2};
    const auto register_many = [&](const char *names) {
        for (int i = 0; i < 500; i++)
            if (!r.try_register_buffer(1, CUDABuffer::shared(names + std::to_string(i), 1)))
                break;
        running--;
    };
    std::thread threads[] = {std::thread(register_many, "a"), std::thread(register_many, "b")};
    bool whole = true;
    for (bool last = false; !last;) {
        last = running == 0;
        const auto seen = r.try_json(1);
        whole = whole && seen && seen->front() == '{' && seen->find_last_not_of('\n') == seen->rfind('}');
    }
    for (auto &thread : threads)
        thread.join();
    EXPECT(whole && r.shared_buffer_size(1) == 1001);
}

int main() {
    UNITY_BEGIN();
    RUN(buffers_lie_in_the_order_of_their_registration);
    RUN(a_parent_is_an_object_or_a_number);
    RUN(precisions_are_types);
    RUN(scenarios_lie_where_they_should);
    RUN(what_is_wrong_is_refused_and_changes_nothing);
    RUN(a_name_is_not_cut_at_a_zero);
    RUN(updates_report_what_they_changed);
    RUN(children_are_live);
    RUN(options_say_how_a_parent_lays_out);
    RUN(layouts_are_stored_loaded_and_compared);
    RUN(overlaps_and_bank_conflicts_are_reported);
    RUN(a_plan_places_what_takes_turns_in_the_same_memory);
    RUN(a_search_is_ended_by_the_function_that_is_asked);
    RUN(a_parent_that_changes_meanwhile_is_not_planned);
    RUN(a_layout_is_written_as_cuda_table_and_picture);
    RUN(a_launch_fits_a_device_or_the_reason_is_reported);
    RUN(nothing_is_thrown_by_try);
    RUN(handles_are_given_away_and_adopted);
    RUN(a_text_that_grows_between_two_calls_is_asked_for_again);
    RUN(any_thread_may_call_at_any_time);
    return UNITY_END();
}
