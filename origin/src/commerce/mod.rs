//! The rules of the shop. Knows no HTTP, no SQL and no BSON; asks its questions of [`crate::database`].

pub mod accounts;
pub mod availability;
pub mod categories;
pub mod changes;
pub mod combos;
pub mod contact;
pub mod goods;
pub mod ids;
pub mod lines;
pub mod mail;
pub mod money;
pub mod order_mails;
pub mod order_states;
pub mod orders;
pub mod payments;
pub mod price_list;
pub mod products;
pub mod quote;
pub mod records;
pub mod reservation;
pub mod search;
pub mod seed;
pub mod settings;
pub mod shop;
pub mod staff;
pub mod stock;
