//! The demo.

use super::init::orders;
use super::stage::Stage;
use crate::protocol::Orders;

/// Plays it.
pub(super) fn play() {
    let Orders::Demo(terminal) = orders() else { panic!("no demo was ordered") };
    let stage = Stage::new(terminal);
    stage.heading("1. What is there");
    stage.run("ip -br link; for i in 1 2 3; do printf 'working %s\\r' $i; sleep 1; done; echo");
    stage.claim("two cards", true);
}
