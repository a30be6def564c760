//! The kinds of `pointsman.dev/v1alpha1`: four that people write, one that the operator keeps for itself.
#![expect(unreachable_pub, reason = "the KubeSchema derive copies each public type into a function")]

pub mod abtest;
pub mod budget;
pub mod budgetledger;
pub mod llmprovider;
pub mod routingpolicy;

pub use abtest::{ABTest, ABTestSpec, ABTestStatus};
pub use budget::{Budget, BudgetSpec, BudgetStatus};
pub use budgetledger::{BudgetLedger, BudgetLedgerData};
pub use llmprovider::{LLMProvider, LLMProviderSpec, LLMProviderStatus};
pub use routingpolicy::{RoutingPolicy, RoutingPolicySpec, RoutingPolicyStatus};
