//! Generated pictures: a night sky and one firework, drawn from a few shapes. No scripts, no references to elsewhere.

use std::fmt::Write as _;

use super::products::{ROWS, group_and_row};
use super::random::SplitMix;
use super::rows::GROUPS;

/// Bright and dark colour of each category.
const COLOURS: [(&str, &str); 12] = [
    ("#ffd76a", "#3b2a66"),
    ("#ff9f43", "#402048"),
    ("#7be0ad", "#173b4a"),
    ("#f78fb3", "#3a1f55"),
    ("#ff6b6b", "#451b33"),
    ("#feca57", "#4a2430"),
    ("#ff7675", "#3d1a40"),
    ("#74b9ff", "#1b2a5c"),
    ("#a29bfe", "#2a1f5c"),
    ("#55efc4", "#15314f"),
    ("#fd79a8", "#381d4f"),
    ("#ffeaa7", "#5c1f3a"),
];

/// The bright colour of a category, shown until a picture has arrived.
pub(super) fn accent(place: usize) -> &'static str {
    COLOURS[place % COLOURS.len()].0
}

/// File name and SVG of product `index`. Products of a large catalogue share pictures: six variants of each row.
pub(super) fn of_product(index: u64) -> (String, String) {
    let variant = index / ROWS % 6;
    let (place, group, _) = group_and_row(index);
    let row = index % ROWS;
    let name = format!("{}-{}-{variant}.svg", group.slug, row % 10);
    (name, draw(place, row * 6 + variant))
}

/// File name and SVG of a category.
pub(super) fn of_category(place: usize) -> (String, String) {
    (
        format!("category-{}.svg", GROUPS[place].slug),
        draw(place, 10_000 + place as u64),
    )
}

/// File name and SVG of a combo.
pub(super) fn of_combo(place: usize) -> (String, String) {
    (
        format!("combo-{place}.svg"),
        draw(11, 20_000 + place as u64),
    )
}

fn draw(place: usize, number: u64) -> String {
    let mut random = SplitMix::new(0x0070_6963, number);
    let (bright, dark) = COLOURS[place % COLOURS.len()];
    let second = COLOURS[usize::try_from(random.next() % 12).unwrap_or(0)].0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 480\" width=\"480\" height=\"480\">\
         <defs><linearGradient id=\"n\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\"><stop offset=\"0\" stop-color=\"#120b2e\"/>\
         <stop offset=\"1\" stop-color=\"{dark}\"/></linearGradient><radialGradient id=\"g\">\
         <stop offset=\"0\" stop-color=\"{bright}\" stop-opacity=\".55\"/><stop offset=\"1\" stop-color=\"{bright}\" stop-opacity=\"0\"/>\
         </radialGradient></defs><rect width=\"480\" height=\"480\" fill=\"url(#n)\"/>"
    );
    stars(&mut svg, &mut random);
    let _ = write!(
        svg,
        "<circle cx=\"240\" cy=\"210\" r=\"190\" fill=\"url(#g)\"/>"
    );
    match GROUPS[place % 12].code {
        "SPK" | "TWS" => sparkler(&mut svg, &mut random, bright, second),
        "FLP" | "FTN" => fountain(&mut svg, &mut random, bright, second),
        "GCH" => wheel(&mut svg, bright, second),
        "RKT" => rocket(&mut svg, &mut random, bright, second),
        "AER" | "FCY" => bursts(&mut svg, &mut random, bright, second),
        "GBX" => gift(&mut svg, bright, second),
        _ => cracker(&mut svg, &mut random, bright, second),
    }
    svg.push_str("</svg>");
    svg
}

fn stars(svg: &mut String, random: &mut SplitMix) {
    for _ in 0..18 {
        let (x, y, r) = (
            random.between(8, 472),
            random.between(8, 300),
            random.between(1, 2),
        );
        let _ = write!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"#fff\" opacity=\".5\"/>"
        );
    }
}

/// Rays from a point, every second one in the other colour.
fn rays(
    svg: &mut String,
    (x, y): (f64, f64),
    count: u32,
    (inner, outer): (f64, f64),
    colours: (&str, &str),
) {
    for ray in 0..count {
        let angle = std::f64::consts::TAU * f64::from(ray) / f64::from(count);
        let far = if ray % 2 == 0 { outer } else { outer * 0.78 };
        let colour = if ray % 2 == 0 { colours.0 } else { colours.1 };
        let (sin, cos) = angle.sin_cos();
        let _ = write!(
            svg,
            "<path d=\"M{:.0} {:.0}L{:.0} {:.0}\" stroke=\"{colour}\" stroke-width=\"4\" stroke-linecap=\"round\"/>\
             <circle cx=\"{:.0}\" cy=\"{:.0}\" r=\"5\" fill=\"{colour}\"/>",
            x + cos * inner,
            y + sin * inner,
            x + cos * far,
            y + sin * far,
            x + cos * (far + 10.0),
            y + sin * (far + 10.0),
        );
    }
}

fn sparkler(svg: &mut String, random: &mut SplitMix, bright: &str, second: &str) {
    let _ = write!(
        svg,
        "<path d=\"M150 440L262 190\" stroke=\"#9a8f86\" stroke-width=\"9\" stroke-linecap=\"round\"/>"
    );
    let count = u32::try_from(random.between(8, 12)).unwrap_or(10) * 2;
    rays(svg, (268.0, 176.0), count, (18.0, 118.0), (bright, second));
    let _ = write!(
        svg,
        "<circle cx=\"268\" cy=\"176\" r=\"16\" fill=\"#fff\"/>"
    );
}

fn fountain(svg: &mut String, random: &mut SplitMix, bright: &str, second: &str) {
    for step in 0..13_i32 {
        let spread = (step - 6) * 26;
        let height = 60 + i32::try_from(random.between(0, 60)).unwrap_or(0) + spread.abs() / 2;
        let (colour, end) = (if step % 2 == 0 { bright } else { second }, 240 + spread);
        let _ = write!(
            svg,
            "<path d=\"M240 350Q{} {height} {end} {}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"4\" stroke-linecap=\"round\"/>\
             <circle cx=\"{end}\" cy=\"{}\" r=\"6\" fill=\"{colour}\"/>",
            240 + spread / 2,
            height + 40,
            height + 46,
        );
    }
    let _ = write!(
        svg,
        "<path d=\"M240 340L300 440H180Z\" fill=\"{second}\"/><path d=\"M240 340L268 387H212Z\" fill=\"#fff\" opacity=\".85\"/>\
         <rect x=\"170\" y=\"440\" width=\"140\" height=\"10\" rx=\"5\" fill=\"#0008\"/>",
    );
}

fn wheel(svg: &mut String, bright: &str, second: &str) {
    let _ = write!(
        svg,
        "<ellipse cx=\"240\" cy=\"400\" rx=\"150\" ry=\"18\" fill=\"#0006\"/>"
    );
    for (radius, colour, dash) in [
        (150, bright, "30 14"),
        (118, second, "22 10"),
        (86, bright, "14 8"),
        (54, second, "8 6"),
    ] {
        let _ = write!(
            svg,
            "<circle cx=\"240\" cy=\"230\" r=\"{radius}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"13\" stroke-dasharray=\"{dash}\" stroke-linecap=\"round\"/>",
        );
    }
    let _ = write!(
        svg,
        "<circle cx=\"240\" cy=\"230\" r=\"26\" fill=\"#fff\"/>"
    );
}

fn rocket(svg: &mut String, random: &mut SplitMix, bright: &str, second: &str) {
    let lean = random.between(10, 30);
    let _ = write!(
        svg,
        "<g transform=\"rotate({lean} 240 240)\"><path d=\"M236 300h8v150h-8z\" fill=\"#b08a5a\"/>\
         <rect x=\"205\" y=\"150\" width=\"70\" height=\"170\" rx=\"10\" fill=\"{bright}\"/>\
         <path d=\"M205 190h70v22h-70zM205 240h70v22h-70z\" fill=\"{second}\"/><path d=\"M240 70L285 152H195Z\" fill=\"{second}\"/>\
         <path d=\"M215 322Q240 430 265 322Z\" fill=\"#fff3b0\"/><path d=\"M225 322Q240 390 255 322Z\" fill=\"#fff\"/></g>",
    );
}

fn bursts(svg: &mut String, random: &mut SplitMix, bright: &str, second: &str) {
    for (x, y, size) in [
        (240.0, 180.0, 120.0),
        (110.0, 120.0, 62.0),
        (372.0, 130.0, 70.0),
    ] {
        let count = u32::try_from(random.between(7, 11)).unwrap_or(8) * 2;
        rays(svg, (x, y), count, (size * 0.25, size), (bright, second));
    }
    let _ = write!(
        svg,
        "<rect x=\"165\" y=\"370\" width=\"150\" height=\"76\" rx=\"8\" fill=\"{second}\"/>\
         <path d=\"M165 395h150v10h-150zM165 418h150v10h-150z\" fill=\"#0004\"/>",
    );
}

fn gift(svg: &mut String, bright: &str, second: &str) {
    let _ = write!(
        svg,
        "<rect x=\"110\" y=\"200\" width=\"260\" height=\"210\" rx=\"12\" fill=\"{second}\"/>\
         <rect x=\"95\" y=\"170\" width=\"290\" height=\"60\" rx=\"10\" fill=\"{bright}\"/>\
         <path d=\"M220 170h40v240h-40z\" fill=\"#b3123f\"/><path d=\"M240 170Q170 90 160 140T240 170Q310 90 320 140T240 170\" \
         fill=\"none\" stroke=\"#b3123f\" stroke-width=\"16\" stroke-linejoin=\"round\"/>",
    );
    rays(svg, (240.0, 90.0), 12, (16.0, 48.0), (bright, "#fff"));
}

fn cracker(svg: &mut String, random: &mut SplitMix, bright: &str, second: &str) {
    for (place, x) in [110, 200, 290].into_iter().enumerate() {
        let top = 190 + 18 * (place % 2);
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{top}\" width=\"74\" height=\"220\" rx=\"12\" fill=\"#c0263b\"/>\
             <path d=\"M{x} {}h74v20h-74zM{x} {}h74v20h-74z\" fill=\"{bright}\"/>\
             <path d=\"M{} {top}q8 -40 34 -46\" fill=\"none\" stroke=\"#d8c9a8\" stroke-width=\"6\" stroke-linecap=\"round\"/>",
            top + 40,
            top + 160,
            x + 37,
        );
    }
    let count = u32::try_from(random.between(6, 9)).unwrap_or(7) * 2;
    rays(svg, (361.0, 140.0), count, (10.0, 44.0), (bright, second));
}
