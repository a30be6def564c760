//! A real node: the image, the chart and the shop, driven by kubectl and helm as people drive them.
//!
//! `make e2e` makes the node, installs the chart and runs this; so does `make test`. Elsewhere every test says that it
//! was skipped, and why. Each story has a namespace of its own; some run side by side, and those that want the operator
//! away share its absence.
#![allow(clippy::unwrap_used)]

mod node;
mod operator;
mod pods;
mod policies;
mod providers;
mod rollout;
mod shop;
mod stage;
