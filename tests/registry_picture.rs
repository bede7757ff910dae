//! The SVG picture of a layout: marks of memory that two buffers share while both are alive, and the legend.

use backbuf::registry::{BufferRegistry, CUDABuffer};

/// A target, and two slices of its first half: one while it is in use, one afterwards.
fn registry() -> BufferRegistry {
    let registry = BufferRegistry::new();
    registry.register(1, &CUDABuffer::shared("k1", 100).alive(0..4)).unwrap();
    registry.register(1, &CUDABuffer::shared("early", 30).aliasing("k1").alive(2..6)).unwrap();
    registry.register(1, &CUDABuffer::shared("late", 20).aliasing("k1").alive(4..6)).unwrap();
    registry
}

/// An attribute of the rectangles of a class, in the order of the picture.
fn attribute(svg: &str, class: &str, name: &str) -> Vec<f64> {
    let begin = format!("<rect class=\"{class}\"");
    let value = |rect: &str| rect.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse().ok();
    svg.split(&begin).skip(1).map(|rect| value(rect).unwrap()).collect()
}

#[test]
fn what_two_share_while_both_are_alive_is_marked_where_and_when() {
    let svg = registry().svg(1).unwrap();
    assert!(
        svg.contains("<title>k1 and early share bytes 0..120\nin steps 2..4</title><rect class=\"clash\"")
    );
    assert_eq!(svg.matches("<title>k1 and ").count(), 1, "the other slice comes when the target is over");
    // From where the slice begins to where the target ends, and as high as the slice.
    let (of, at) = (|name| attribute(&svg, "own", name)[0], |name| attribute(&svg, "clash", name)[0]);
    let slice = |name| attribute(&svg, "in", name)[0];
    assert!(
        (at("x") - slice("x")).abs() < 0.2 && (at("x") + at("width") - of("x") - of("width")).abs() < 0.2
    );
    assert_eq!((at("y"), at("height")), (slice("y"), slice("height")));
}

#[test]
fn the_mark_is_explained_and_has_a_colour_for_light_and_for_dark_pages() {
    let svg = registry().svg(1).unwrap();
    assert!(svg.contains(">shared while both are alive</text>"));
    let (light, dark) = svg.split_once("@media (prefers-color-scheme:dark)").unwrap();
    let colour = |style: &str| style.split(".clash{stroke:").nth(1).unwrap()[..7].to_owned();
    assert!(colour(light).starts_with('#') && colour(dark).starts_with('#') && colour(light) != colour(dark));
}

#[test]
fn what_takes_turns_and_what_has_no_time_is_not_marked() {
    let registry = BufferRegistry::new();
    registry.register(1, &CUDABuffer::shared("k1", 100).alive(0..4)).unwrap();
    registry.register(1, &CUDABuffer::shared("late", 30).aliasing("k1").alive(4..6)).unwrap();
    registry.register(2, &CUDABuffer::shared("k1", 100)).unwrap();
    registry.register(2, &CUDABuffer::shared("tmp", 30).aliasing("k1")).unwrap();
    for parent in [1, 2] {
        let svg = registry.svg(parent).unwrap();
        assert!(!svg.contains("class=\"clash\" fill=\"url") && !svg.contains("shared while"), "{parent}");
    }
    assert_eq!(registry.overlaps(2).unwrap().len(), 1, "which overlaps() reports all the same");
}

#[test]
fn a_legend_of_everything_stays_within_the_picture() {
    let registry = registry();
    registry.register(1, &CUDABuffer::local("back", 300).aliasing("k1").alive(0..1)).unwrap();
    registry.register(1, &CUDABuffer::shared("full", 300).aliasing("k1").alive(9..10)).unwrap();
    registry.register(2, &CUDABuffer::shared("inner", 5)).unwrap();
    registry.register_child(1, "child", 2, None).unwrap();
    let svg = registry.svg(1).unwrap();
    let (width, height) = (960.0, svg.split(" height=\"").nth(1).unwrap().split('"').next().unwrap());
    let height: f64 = height.parse().unwrap();
    for text in svg.split("<text ").skip(1) {
        let number = |name: &str| -> f64 {
            text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
        };
        let written = text.split_once('>').unwrap().1.split('<').next().unwrap();
        let right = if text.contains("text-anchor") { 0.0 } else { 7.3 * written.chars().count() as f64 };
        assert!(number("x") + right <= width && number("y") <= height, "{written}");
    }
    let row = |class| *attribute(&svg, class, "y").last().unwrap();
    assert!(row("gap") > row("own"), "in two rows");
}
