//! When a shop takes orders.

use jiff::SignedDuration;

use super::*;

#[test]
fn the_shop_takes_orders_from_its_opening_on_until_it_closes() {
    let (opens, closes) = (
        Timestamp::UNIX_EPOCH,
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1),
    );
    let shop = |mode, opens_at, closes_at| ShopSettings {
        mode,
        opens_at,
        closes_at,
        ..crate::commerce::seed::shop_settings()
    };
    let second = SignedDuration::from_secs(1);
    let season = shop(SalesMode::Order, Some(opens), Some(closes));
    for (at, answer) in [
        (opens - second, Err(NotSelling::Closed)),
        (opens, Ok(())),
        (closes - second, Ok(())),
        (closes, Err(NotSelling::Closed)),
    ] {
        assert_eq!(may_order(&season, at), answer, "{at}");
    }
    let from_then_on = shop(SalesMode::Order, Some(opens), None);
    assert_eq!(may_order(&from_then_on, Timestamp::MAX), Ok(()));
    let until_then = shop(SalesMode::Order, None, Some(closes));
    assert_eq!(may_order(&until_then, Timestamp::MIN), Ok(()));
    // In no season does a shop take orders that takes none.
    for (mode, why) in [
        (SalesMode::Enquiry, NotSelling::EnquiriesOnly),
        (SalesMode::Closed, NotSelling::Closed),
    ] {
        let shop = shop(mode, Some(opens), Some(closes));
        assert_eq!(may_order(&shop, opens), Err(why));
    }
}
