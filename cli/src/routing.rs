//! The routing model that every data plane of this program scores with unless a policy names another.

use std::sync::Arc;

use pointsman_models::scorer::RoutingModel;

/// The shipped model, opened where it lies in the binary.
pub(crate) fn shipped() -> Option<Arc<RoutingModel>> {
    Some(Arc::new(pointsman_models::shipped::load()))
}
