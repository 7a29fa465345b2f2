use super::*;
use proptest::prelude::*;

const LOT: Qty = Qty(100_000);
const CUBIC: QueueModel = QueueModel::ProbPower { power: 3.0 };

fn lots(n: i64) -> Qty {
    Qty(n * LOT.0)
}

fn front(place: Place) -> f64 {
    place.front / LOT.to_f64()
}

#[test]
fn risk_averse_moves_by_prints_only_until_the_level_is_shorter_than_the_queue() {
    let mut place = Place::behind(lots(10));
    place.on_level(lots(10), lots(14), QueueModel::RiskAverse);
    place.on_level(lots(14), lots(11), QueueModel::RiskAverse);
    assert!((front(place) - 10.0).abs() < 1e-9, "a cancel may have stood behind us");
    place.on_print(lots(4), QueueModel::RiskAverse);
    assert_eq!(place.take_left_over(LOT), Qty::ZERO);
    assert!((front(place) - 6.0).abs() < 1e-9);
    place.on_level(lots(11), lots(3), QueueModel::RiskAverse);
    assert!((front(place) - 3.0).abs() < 1e-9, "no queue is longer than its level");
    place.on_print(lots(5), QueueModel::RiskAverse);
    assert_eq!(place.take_left_over(LOT), lots(2));
}

#[test]
fn a_print_is_not_counted_again_when_the_level_shows_it() {
    let mut place = Place::behind(lots(10));
    place.on_level(lots(10), lots(20), CUBIC);
    place.on_print(lots(4), CUBIC);
    place.on_level(lots(20), lots(16), CUBIC);
    assert!((front(place) - 6.0).abs() < 1e-9);
}

#[test]
fn a_cancel_is_split_by_the_cubes_of_what_stands_before_and_behind() {
    let mut place = Place::behind(lots(10));
    place.on_level(lots(10), lots(30), CUBIC);
    // Ten before, twenty behind: of three that left, 1000/9000 stood before us.
    place.on_level(lots(30), lots(27), CUBIC);
    assert!((front(place) - (10.0 - 3.0 / 9.0)).abs() < 1e-9);
}

#[test]
fn an_unknown_queue_is_endless_until_the_level_is_seen() {
    let mut place = Place::unknown();
    place.on_print(lots(1_000_000), CUBIC);
    assert_eq!(place.take_left_over(LOT), Qty::ZERO);
    let kept: Place = SavedPlace::from(place).into();
    assert_eq!(kept, place, "an endless queue survives being written down");
    place.on_level(Qty::ZERO, lots(5), CUBIC);
    assert!((front(place) - 5.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn no_queue_is_longer_than_its_level_and_none_grows(
        start in 0_i64..50,
        steps in prop::collection::vec((0_i64..60, 0_i64..5), 1..40),
        cubic in any::<bool>(),
    ) {
        let model = if cubic { CUBIC } else { QueueModel::RiskAverse };
        let (mut place, mut level) = (Place::behind(lots(start)), start);
        for (after, printed) in steps {
            let before_front = front(place);
            place.on_print(lots(printed), model);
            let over = place.take_left_over(LOT);
            prop_assert!(over >= Qty::ZERO && over <= lots(printed));
            place.on_level(lots(level), lots(after), model);
            level = after;
            prop_assert!(front(place) <= after as f64 + 1e-9);
            prop_assert!(front(place) <= before_front.max(0.0) + 1e-9);
        }
    }
}
