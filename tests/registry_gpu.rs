//! Launches on a GPU: bank conflicts, and the reported changes that make a launch fit.

use backbuf::registry::{
    BufferRegistry, CUDABuffer, CheckError, GpuLimits, Launch, LayoutOptions, Precision, SharedPer,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 20_000 } else { 500 }
}

#[test]
fn banks_are_counted_by_the_elements_of_a_child() {
    let options = LayoutOptions { typed: true, shared_per: SharedPer::Thread, ..LayoutOptions::default() };
    let registry = BufferRegistry::with_options("", options);
    registry.register(2, &CUDABuffer::shared("x", 1).of(Precision::F64)).unwrap();
    registry.register(2, &CUDABuffer::shared("y", 2).of(Precision::I64)).unwrap();
    registry.register_child(1, "child", 2, None).unwrap();
    let banks = registry.banks(1).unwrap();
    // Of 8-byte elements half a warp is served at a time.
    assert_eq!(banks.ways, [("child.shared".to_owned(), 1)]);
    assert_eq!((banks.stride_bytes, banks.conflict_free_stride_bytes), (24, Some(24)));
}

/// Limits and launches at the edges of everything.
fn launches() -> impl Strategy<Value = (GpuLimits, Launch)> {
    let number = || {
        let near = prop_oneof![
            Just(0u32),
            Just(1),
            Just(31),
            Just(32),
            Just(33),
            Just(100),
            Just(1024),
            Just(1 << 16)
        ];
        prop_oneof![8 => near, 1 => Just(1u32 << 27), 1 => Just(u32::MAX)]
    };
    let bytes = || {
        let near = prop_oneof![Just(0u64), Just(1), Just(40), Just(100), Just(49152), Just(1 << 17)];
        prop_oneof![9 => near, 1 => Just(u64::MAX)]
    };
    let limits = (vec(bytes(), 5), vec(number(), 6)).prop_map(|(bytes, numbers)| GpuLimits {
        shared_static_bytes: bytes[0],
        shared_block_bytes: bytes[1],
        shared_sm_bytes: bytes[2],
        shared_reserved_bytes: bytes[3],
        shared_granule_bytes: bytes[4],
        threads_per_block: numbers[0],
        threads_per_sm: numbers[1],
        blocks_per_sm: numbers[2],
        registers_per_sm: numbers[3],
        registers_per_thread: numbers[4],
        register_granule: numbers[5],
    });
    let launch = (number(), number(), bytes(), prop_oneof![Just(SharedPer::Block), Just(SharedPer::Thread)]);
    let launch = launch.prop_map(|(threads, registers_per_thread, static_shared_bytes, shared_per)| Launch {
        threads,
        registers_per_thread,
        static_shared_bytes,
        shared_per: Some(shared_per),
    });
    (limits, launch)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20 * cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_to_make_a_launch_fit_does(
        (limits, launch) in launches(),
        sizes in vec(prop_oneof![Just(0u64), 1..20u64, Just(10_000)], 0..3),
    ) {
        let registry = BufferRegistry::new();
        registry.register(1, &CUDABuffer::local("kept", 1)).unwrap();
        for (index, size) in sizes.iter().enumerate() {
            registry.register(1, &CUDABuffer::shared(format!("b{index}"), *size)).unwrap();
        }
        if let Err(CheckError::Unfit(unfit)) = registry.check(1, &limits, &launch) {
            let text = unfit.to_string();
            prop_assert!(!text.ends_with("fit") || text.contains("neither"), "{}", text);
            let beyond = unfit.needs > unfit.limit || unfit.needs == u64::MAX;
            prop_assert!(beyond || unfit.what == "registers", "{}", text);
            let again = |limits: &GpuLimits, launch: &Launch| match registry.check(1, limits, launch) {
                Err(CheckError::Unfit(again)) => again.what == unfit.what,
                _ => false,
            };
            if unfit.threads > 0 {
                prop_assert!(!again(&limits, &Launch { threads: unfit.threads, ..launch }), "{}", text);
            }
            if let Some(arch) = unfit.arch {
                prop_assert!(!again(&arch.limits(), &launch), "{}", text);
            }
        }
        // Whatever was asked, the registry goes on.
        registry.register(1, &CUDABuffer::shared("another", 1)).unwrap();
    }
}
