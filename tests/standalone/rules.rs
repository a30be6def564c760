//! Rules that look into the text: what is personal goes where the policy says.

use pointsman_test_support::provider::Provider;
use serde_json::json;

use crate::client::ask;
use crate::gateway::Gateway;
use crate::world::{POLICY, World};

const RULES: &str = "  rules:
    - name: personal
      matches: [{pii: [IBAN, PaymentCard]}]
      action: {type: UseModel, useModel: {model: gpt-y}}
";

#[tokio::test]
async fn a_text_with_an_account_number_goes_to_the_model_that_the_rule_names() -> anyhow::Result<()> {
    let provider = Provider::start();
    let world = World::of(&provider)?;
    world.write("policy.yaml", &format!("{POLICY}{RULES}"))?;
    let gateway = Gateway::start(&world).await?;
    let earlier = json!({"model": "auto", "messages": [
        {"role": "system", "content": "The customer's account: GB82WEST12345698765432."},
        {"role": "user", "content": "Has it been paid?"},
    ]});
    for (call, model, reason) in [
        (ask("auto", "Has DE88 3704 0044 0532 0130 00 been paid?"), "gpt-x", "picked"),
        (ask("auto", "Has DE89 3704 0044 0532 0130 00 been paid?"), "gpt-y", "rule:personal"),
        (earlier, "gpt-y", "rule:personal"),
    ] {
        let answer = gateway.client.chat(&call).await?;
        let served = (answer.status, answer.header("x-pointsman-model"), answer.header("x-pointsman-reason"));
        assert_eq!(served, (200, Some(model), Some(reason)), "{call}");
    }
    gateway.stop().await
}
