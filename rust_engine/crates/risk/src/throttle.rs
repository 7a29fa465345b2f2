//! What was sent lately: messages by account, openings by instance; and how many orders passed or broke which rule.
//!
//! Times are event times and never go back; an entry is forgotten once no window can reach it.

use crate::limits::OrderLimits;
use crate::rule::Rule;
use model::{OrderId, OrderKind, OrderRequest, Price, Purpose, Qty, Side, SymbolId, Ts};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many orders the gate has passed and refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Orders passed.
    pub approved: u64,
    /// Cancels told to the gate.
    pub cancels: u64,
    refused: [u64; Rule::ALL.len()],
}

impl Counts {
    /// Orders refused, by rule, in the order of [`Rule::ALL`].
    pub fn refused(&self) -> impl Iterator<Item = (Rule, u64)> + '_ {
        Rule::ALL.into_iter().zip(self.refused)
    }

    pub(crate) fn refuse(&mut self, rule: Rule) {
        self.refused[rule as usize] += 1;
    }
}

/// What makes two openings the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Opening {
    at: Ts,
    symbol: SymbolId,
    side: Side,
    is_stop: bool,
    named_price: Option<Price>,
    qty: Qty,
    purpose: Purpose,
    parent: OrderId,
}

impl Opening {
    fn new(order: &OrderRequest, at: Ts) -> Self {
        Self {
            at,
            symbol: order.symbol,
            side: order.side,
            is_stop: matches!(order.kind, OrderKind::Stop { .. }),
            named_price: order.named_price(),
            qty: order.qty,
            purpose: order.purpose,
            parent: order.parent,
        }
    }

    fn is_repeat_of(&self, other: &Self) -> bool {
        self.symbol == other.symbol && self.side == other.side
    }

    /// Children of one parent order are equal by design.
    fn is_duplicate_of(&self, other: &Self) -> bool {
        let siblings = self.parent != OrderId(0) && self.parent == other.parent;
        !siblings && Self { at: other.at, parent: other.parent, ..*self } == *other
    }
}

/// The openings of each instance and the messages of each account, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Throttle {
    messages: Vec<VecDeque<Ts>>,
    openings: Vec<VecDeque<Opening>>,
}

fn slot<T>(list: &mut Vec<VecDeque<T>>, index: usize) -> &mut VecDeque<T> {
    if list.len() <= index {
        list.resize_with(index + 1, VecDeque::new);
    }
    &mut list[index]
}

impl Throttle {
    pub(crate) fn n_accounts(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn n_instances(&self) -> usize {
        self.openings.len()
    }

    /// The rule that one more opening breaks. `earlier` were approved with it and are not yet recorded.
    pub(crate) fn broken_rule(
        &self,
        limits: &OrderLimits,
        account: usize,
        order: &OrderRequest,
        at: Ts,
        earlier: &[OrderRequest],
    ) -> Option<Rule> {
        if let Some(most) = limits.messages_per_s {
            let since = at.0.saturating_sub(OrderLimits::MESSAGE_WINDOW_NS);
            let sent = self.messages.get(account).map_or(0, |m| m.len() - m.partition_point(|t| t.0 <= since));
            if sent + earlier.len() >= most {
                return Some(Rule::MaxMessages);
            }
        }
        if limits.repeat_window_ns == 0 && limits.duplicate_window_ns == 0 {
            return None;
        }
        let opening = Opening::new(order, at);
        let beside = earlier.iter().filter(|o| o.instance == order.instance && !o.reduce_only);
        let before = self.openings.get(order.instance.index()).into_iter().flatten().copied();
        let (mut repeats, mut is_duplicate) = (0, false);
        for other in before.chain(beside.map(|o| Opening::new(o, at))) {
            let age_ns = at.0.saturating_sub(other.at.0);
            repeats += usize::from(age_ns < limits.repeat_window_ns && opening.is_repeat_of(&other));
            is_duplicate |= age_ns < limits.duplicate_window_ns && opening.is_duplicate_of(&other);
        }
        if limits.repeats.is_some_and(|most| repeats >= most) {
            return Some(Rule::MaxRepeats);
        }
        is_duplicate.then_some(Rule::Duplicate)
    }

    /// Notes an order that goes out.
    pub(crate) fn order_sent(&mut self, limits: &OrderLimits, account: usize, order: &OrderRequest, at: Ts) {
        self.message_sent(limits, account, at);
        let keep_ns = limits.repeat_window_ns.max(limits.duplicate_window_ns);
        if keep_ns == 0 || order.reduce_only {
            return;
        }
        let openings = slot(&mut self.openings, order.instance.index());
        while openings.front().is_some_and(|o| at.0.saturating_sub(o.at.0) >= keep_ns) {
            openings.pop_front();
        }
        openings.push_back(Opening::new(order, at));
    }

    /// Notes any message.
    pub(crate) fn message_sent(&mut self, limits: &OrderLimits, account: usize, at: Ts) {
        if limits.messages_per_s.is_none() {
            return;
        }
        let since = at.0.saturating_sub(OrderLimits::MESSAGE_WINDOW_NS);
        let messages = slot(&mut self.messages, account);
        while messages.front().is_some_and(|t| t.0 <= since) {
            messages.pop_front();
        }
        messages.push_back(at);
    }
}
