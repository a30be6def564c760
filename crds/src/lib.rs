//! API types of group `pointsman.dev`: what people write, what objects report, which rules the API server holds them to.
//!
//! No logic and none of our other crates: defaults, CEL rules, condition reasons, and the manifests generated from them.
//! Strings keep the form in which people wrote them; whoever compiles an object parses them.
#![warn(missing_docs)]

mod choice;
pub mod conditions;
mod manifests;
mod schema;
pub mod shared;
pub mod v1alpha1;

pub use conditions::{ConditionType, Reason};
pub use manifests::{all_crds, manifests};
pub use shared::{GROUP, VERSION};
pub use v1alpha1::{ABTest, Budget, BudgetLedger, LLMProvider, RoutingPolicy};
