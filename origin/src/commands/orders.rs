//! `order` and `shop`: what staff do from the command line, in a process of its own.

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use crate::commerce::orders::{Order, OrderQuery, OrderState, OrderStep};
use crate::commerce::shop::SalesMode;
use crate::config::Config;

/// What can be done with orders.
#[derive(Subcommand)]
pub(super) enum OrderVerb {
    /// The newest orders, one a line.
    List {
        /// Only those in this state, for example payment_review.
        #[arg(long)]
        state: Option<String>,
        /// How many: 1 to 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only those before this one, for example CR000042: the last one of a list goes on with the next.
        #[arg(long)]
        before: Option<String>,
    },
    /// Take an order one step on; stock that this gives up goes back to the shelf.
    Step {
        /// For example CR000042.
        number: String,
        /// For example confirmed.
        state: String,
        /// Why, for staff.
        #[arg(long, default_value = "")]
        note: String,
    },
}

/// What can be done to the shop.
#[derive(Subcommand)]
pub(super) enum ShopVerb {
    /// Set how it sells.
    Mode {
        /// The new mode.
        mode: Mode,
    },
}

/// How the shop sells.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Mode {
    /// Orders are taken.
    Order,
    /// Lists are taken and confirmed in person.
    Enquiry,
    /// Nothing is taken.
    Closed,
}

fn state_of(word: &str) -> anyhow::Result<OrderState> {
    let known = OrderState::ALL.map(OrderState::as_str).join(", ");
    OrderState::parse(word).with_context(|| format!("{word:?} is no state; there are: {known}"))
}

fn number_of(word: &str) -> anyhow::Result<i64> {
    Order::number_of(word)
        .with_context(|| format!("{word:?} is no order number; one looks like CR000042"))
}

fn line(order: &Order) -> String {
    format!(
        "{}  {}  {}  {} paise  {}  {}",
        order.number_text(),
        order.placed_at,
        order.state.as_str(),
        order.quote.total.0,
        order.contact.name,
        order.contact.phone
    )
}

pub(super) async fn order(config: &Config, verb: OrderVerb) -> anyhow::Result<()> {
    let database = super::open(config).await?;
    match verb {
        OrderVerb::List {
            state,
            limit,
            before,
        } => {
            let query = OrderQuery {
                state: state.as_deref().map(state_of).transpose()?,
                before: before.as_deref().map(number_of).transpose()?,
                limit,
                ..OrderQuery::default()
            };
            for order in database.orders(&query).await? {
                println!("{}", line(&order));
            }
        }
        OrderVerb::Step {
            number,
            state,
            note,
        } => {
            let state = state_of(&state)?;
            let found = database.order_by_number(number_of(&number)?).await?;
            let order = found.with_context(|| format!("there is no order {number}"))?;
            let now = Timestamp::now();
            order.check_return(state, now)?;
            let mut step = OrderStep::to(state, now, "command line", note);
            step.expires_at = Some(now + config.commerce.payment_window());
            let next = database
                .step_order(&order.id, &step, Some(order.version))
                .await?;
            println!("{}", line(&next));
        }
    }
    Ok(())
}

pub(super) async fn shop(config: &Config, verb: ShopVerb) -> anyhow::Result<()> {
    let ShopVerb::Mode { mode } = verb;
    let database = super::open(config).await?;
    let found = database.shop_settings().await?;
    let mut settings = found.context("there is no shop yet; `seed` makes one")?;
    settings.mode = match mode {
        Mode::Order => SalesMode::Order,
        Mode::Enquiry => SalesMode::Enquiry,
        Mode::Closed => SalesMode::Closed,
    };
    let written = database
        .put_shop_settings(&settings, Some(settings.version), Timestamp::now())
        .await?;
    println!("the shop's mode is {:?}", written.mode);
    Ok(())
}
