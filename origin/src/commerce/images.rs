//! Pictures that strangers send: known by their content and not by what they say they are, refused by their measures
//! before they are unpacked, and drawn anew, so that nothing of the file itself is kept.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Rgb, RgbImage};

/// The most pixels of a picture: 40 megapixels, more than a phone takes.
const PIXELS_MAX: u64 = 40_000_000;

/// The longest side of what is kept; larger ones are made smaller.
const SIDE_MAX: u32 = 2000;

/// Quality of the JPEG that is kept, 1 to 100.
const QUALITY: u8 = 85;

/// The widths that pictures of goods are shown in, in pixels; smaller pictures are not made larger.
pub const WIDTHS: [u32; 3] = [320, 640, 1280];

/// How many times as high as wide a picture of goods may be shown.
const HEIGHT_MAX: u32 = 2;

/// Why a picture is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// It is something else, whatever it says it is.
    #[error("expected a picture as PNG, JPEG or WebP")]
    OtherType,
    /// It has too many pixels.
    #[error("expected at most {PIXELS_MAX} pixels")]
    TooLarge,
    /// It breaks off, or cannot be drawn.
    #[error("the picture is broken")]
    Broken,
}

/// Draws a picture anew, as JPEG and at most [`SIDE_MAX`] long. What it says beside its pixels (place, camera, comments) is gone.
///
/// # Errors
/// [`NoPicture`]: see its variants.
pub fn redraw(sent: &[u8]) -> Result<Vec<u8>, NoPicture> {
    let (picture, orientation) = decode(sent)?;
    let mut picture = if picture.width().max(picture.height()) > SIDE_MAX {
        picture.thumbnail(SIDE_MAX, SIDE_MAX)
    } else {
        picture
    };
    picture.apply_orientation(orientation);
    let mut drawn = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut drawn, QUALITY);
    on_white(&picture)
        .write_with_encoder(encoder)
        .map_err(|_| NoPicture::Broken)?;
    Ok(drawn)
}

/// A picture of goods in each width that it is shown in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The narrowest first; at least one.
    pub sizes: Vec<DrawnSize>,
    /// The CSS colour of all of it together.
    pub colour: String,
}

/// A picture in one width, as JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnSize {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The file.
    pub file: Vec<u8>,
}

/// Draws a picture anew in each width that it is shown in.
///
/// # Errors
/// [`NoPicture`]: see its variants.
pub fn draw_sizes(sent: &[u8]) -> Result<Drawn, NoPicture> {
    let (picture, orientation) = decode(sent)?;
    let widest = WIDTHS[WIDTHS.len() - 1] * HEIGHT_MAX;
    let mut picture = if picture.width().max(picture.height()) > widest {
        picture.thumbnail(widest, widest)
    } else {
        picture
    };
    picture.apply_orientation(orientation);
    let picture = DynamicImage::ImageRgb8(on_white(&picture));
    let mut sizes: Vec<DrawnSize> = Vec::new();
    for width in WIDTHS {
        let fits = picture.width() <= width && picture.height() <= width * HEIGHT_MAX;
        let size = if fits {
            encoded(&picture)?
        } else {
            encoded(&picture.thumbnail(width, width * HEIGHT_MAX))?
        };
        sizes.push(size);
        if fits {
            break;
        }
    }
    let [red, green, blue] = picture.thumbnail_exact(1, 1).to_rgb8().get_pixel(0, 0).0;
    Ok(Drawn {
        sizes,
        colour: format!("#{red:02x}{green:02x}{blue:02x}"),
    })
}

fn encoded(picture: &DynamicImage) -> Result<DrawnSize, NoPicture> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, QUALITY);
    picture
        .write_with_encoder(encoder)
        .map_err(|_| NoPicture::Broken)?;
    Ok(DrawnSize {
        width: picture.width(),
        height: picture.height(),
        file,
    })
}

/// The pixels, and which way is up.
fn decode(sent: &[u8]) -> Result<(DynamicImage, Orientation), NoPicture> {
    let mut reader = ImageReader::new(Cursor::new(sent));
    let format = image::guess_format(sent).map_err(|_| NoPicture::OtherType)?;
    if !matches!(
        format,
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP
    ) {
        return Err(NoPicture::OtherType);
    }
    reader.set_format(format);
    let mut decoder = reader.into_decoder().map_err(|_| NoPicture::Broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(NoPicture::TooLarge);
    }
    let orientation = decoder.orientation().map_err(|_| NoPicture::Broken)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(|_| NoPicture::Broken)?;
    Ok((picture, orientation))
}

/// Without what shines through: JPEG knows no transparency.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let seen = picture.to_rgba8();
    RgbImage::from_fn(seen.width(), seen.height(), |x, y| {
        let [red, green, blue, alpha] = seen.get_pixel(x, y).0.map(u32::from);
        let mix = |colour: u32| {
            u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        Rgb([mix(red), mix(green), mix(blue)])
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    /// A small picture as a file of a format.
    fn sample(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let picture = RgbImage::from_fn(width, height, |x, _| Rgb([(x % 256) as u8, 90, 30]));
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn measures(file: &[u8]) -> (u32, u32) {
        let picture = image::load_from_memory_with_format(file, ImageFormat::Jpeg).unwrap();
        (picture.width(), picture.height())
    }

    #[test]
    fn each_known_format_becomes_a_jpeg() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let drawn = redraw(&sample(format, 40, 20)).unwrap();
            assert_eq!(measures(&drawn), (40, 20), "{format:?}");
        }
    }

    #[test]
    fn goods_are_drawn_in_every_width_that_is_not_wider_than_they_are() {
        for ((width, height), expected) in [
            ((1400, 700), &[(320, 160), (640, 320), (1280, 640)][..]),
            ((1000, 500), &[(320, 160), (640, 320), (1000, 500)]),
            ((320, 10), &[(320, 10)]),
            ((90, 60), &[(90, 60)]),
            // Never a strip that is higher than it may be.
            ((20, 2000), &[(6, 640), (13, 1280), (20, 2000)]),
        ] {
            let drawn = draw_sizes(&sample(ImageFormat::Png, width, height)).unwrap();
            let sizes: Vec<_> = drawn
                .sizes
                .iter()
                .map(|one| (one.width, one.height))
                .collect();
            assert_eq!(sizes, expected, "{width}×{height}");
            for size in drawn.sizes {
                assert_eq!(measures(&size.file), (size.width, size.height));
            }
        }
    }

    #[test]
    fn the_colour_of_goods_is_that_of_all_pixels_together() {
        let grey = RgbImage::from_fn(40, 40, |x, _| {
            Rgb(if x < 20 { [0, 0, 0] } else { [200; 3] })
        });
        let mut file = Cursor::new(Vec::new());
        grey.write_to(&mut file, ImageFormat::Png).unwrap();
        assert_eq!(draw_sizes(file.get_ref()).unwrap().colour, "#646464");
    }

    #[test]
    fn a_long_picture_is_made_smaller() {
        let drawn = redraw(&sample(ImageFormat::Png, 2400, 12)).unwrap();
        assert_eq!(measures(&drawn), (2000, 10));
    }

    #[test]
    fn what_is_said_beside_the_pixels_is_gone() {
        let mut file = sample(ImageFormat::Jpeg, 8, 8);
        let comment = b"\xff\xfe\x00\x0ewhere I live";
        file.splice(2..2, comment.iter().copied());
        assert!(file.windows(12).any(|part| part == b"where I live"));
        let drawn = redraw(&file).unwrap();
        assert!(!drawn.windows(12).any(|part| part == b"where I live"));
    }

    #[test]
    fn a_bomb_is_refused_by_its_measures() {
        let mut file = sample(ImageFormat::Png, 8, 8);
        file[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        file[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        // The checksum of the head, so that the measures are believed.
        let checksum = crc(&file[12..29]);
        file[29..33].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(redraw(&file), Err(NoPicture::TooLarge));
    }

    /// The checksum of a part of a PNG.
    fn crc(part: &[u8]) -> u32 {
        !part.iter().fold(u32::MAX, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
                (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
            })
        })
    }

    #[test]
    fn other_files_are_no_pictures() {
        for file in [
            &b""[..],
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"GIF89a\x01\x00\x01\x00",
            b"%PDF-1.7",
            b"<html>",
        ] {
            assert_eq!(redraw(file), Err(NoPicture::OtherType), "{file:?}");
        }
    }

    #[test]
    fn a_picture_that_breaks_off_is_broken() {
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let file = sample(format, 64, 64);
            assert_eq!(redraw(&file[..file.len() / 2]), Err(NoPicture::Broken));
        }
        assert!(redraw(&sample(ImageFormat::Jpeg, 64, 64)[..30]).is_err());
    }

    #[test]
    fn what_shines_through_becomes_white() {
        let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, Rgba([0, 0, 0, 0])));
        assert_eq!(on_white(&clear).get_pixel(0, 0), &Rgb([255, 255, 255]));
    }
}
