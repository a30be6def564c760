//! Turns a parsed request into a decision. The same for calls and for `POST /v1/route`.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use pointsman_config::money::Nano;
use pointsman_config::policy::{Optimizer, TextScope};
use pointsman_config::provider::Capabilities;
use pointsman_core::decide::{
    Admit, Considered, Decision, Method, Scores, Verdict, View, admit, decide as choose, observe,
};
use pointsman_core::dual::Offer;
use pointsman_core::facts::{Caller, Facts, Text};
use pointsman_core::overrides::Overrides;
use pointsman_core::shadow::{self, ShadowPrice};
use pointsman_wire::openai::request::ChatRequest;

use crate::data::Data;
use crate::listen::error::CallError;
use crate::plane::Plane;
use crate::plane::live::PolicyLive;
use crate::scoring::Scored;

/// A decision and the policy that made it.
pub(crate) struct Decided {
    pub(crate) policy: usize,
    /// The model as the caller named it.
    pub(crate) model: Arc<str>,
    pub(crate) decision: Decision,
    /// What a routing model said of the text, where one was asked.
    pub(crate) scored: Option<Scored>,
    /// Whether any header of the caller means us.
    pub(crate) addressed: bool,
}

/// Decides a call. Only an unknown model is an error; refusals stand in the decision.
///
/// `draws` are two numbers from 0..1, for what a policy leaves to chance.
pub(crate) fn decide(
    data: &Data,
    plane: &Arc<Plane>,
    chat: &ChatRequest,
    headers: &HeaderMap,
    now: Instant,
    draws: [f64; 2],
) -> Result<Decided, CallError> {
    let snapshot = &*plane.snapshot;
    let model = chat.model();
    let Some(route) = snapshot.route(&model) else {
        return Err(CallError::model_not_found(
            &model,
            data.settings.workload.as_deref(),
            &snapshot.offered(),
        ));
    };
    let words = Words { chat, headers };
    let facts = facts(&words, &model);
    let policy = &snapshot.policies[route.policy];
    let now = data.shared.clock.millis(now);
    let addressed = speaks_to_us(headers);
    let header = |name: &'static str| {
        let value = if addressed { headers.get(name) } else { None };
        value.map(HeaderValue::as_bytes)
    };
    let caller = Overrides::read(snapshot, policy, route.objective, header)
        .map_err(|unheeded| CallError::unheeded(&unheeded))?;
    let view = View {
        snapshot,
        policy,
        asked: route.asked,
        caller,
        health: &|target| plane.health(target, now),
        expected: &|target| plane.expected(target),
        measured: &|target| plane.measured(target, now),
        turn: &|lead| plane.turn(route.policy, lead),
        room: &|limit| plane.room(limit),
        length: &|| plane.policies[route.policy].scorer.length(chat),
        in_flight: data.shared.in_flight.load(Relaxed) as u64,
        lambda: lambda(plane, route.policy, &facts),
        now,
        draws,
    };
    let mut scored = None;
    let decision = match admit(&facts, &view) {
        Admit::Decided(decision) => decision,
        Admit::Score(admitted) => {
            scored = data.scoring.borrow_mut().score(plane, route.policy, chat, headers, now);
            let mean = |i: usize| snapshot.targets[policy.candidates[i].target].model.prior.quality;
            let guard = *plane.policies[route.policy].live.guard();
            let believed = scored.as_ref().map(|scored| scored.believed(&guard, mean));
            let scores = match (&scored, &believed) {
                (Some(scored), Some(candidates)) => Scores { candidates, ..scored.scores() },
                _ => Scores::NONE,
            };
            let decision = choose(&view, admitted, &scores);
            if scored.as_ref().is_some_and(Scored::is_of_session) { decision.of_session() } else { decision }
        }
    };
    let decision = observe(&facts, &view, decision);
    Ok(Decided { policy: route.policy, model: route.model, decision, scored, addressed })
}

/// Asked once, because looking for each of our headers by name costs more, and hardly any call has one.
fn speaks_to_us(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-pointsman-"))
}

/// Takes a decision in: moves the shadow price by what the pick is expected to cost, and keeps it for the sample.
pub(crate) fn steer(live: &PolicyLive, decision: &Decision) {
    if decision.picked_at().is_some() {
        live.chosen.fetch_add(1, Relaxed);
    }
    let Some((target, expected)) = priced(live, decision) else { return };
    live.keep(decision.considered.iter().filter_map(offer));
    if live.is_steered() {
        return;
    }
    if let Some(price) = live.price().as_mut() {
        price.on_decision(target, expected);
    }
}

/// What a candidate offered that could have been picked.
fn offer(row: &Considered) -> Option<Offer> {
    let could = matches!(row.verdict, Verdict::Picked | Verdict::StandsBy(_));
    could.then_some(Offer { quality: row.quality, cost: row.expected_cost?.as_usd() })
}

/// Corrects what is owed by what the call really cost.
pub(crate) fn correct(live: &PolicyLive, decision: &Decision, actual: Nano) {
    live.spent.fetch_add(actual.0, Relaxed);
    // What was served in the pick's place says nothing about what the pick would have cost.
    let Some((target, expected)) = priced(live, decision).filter(|_| decision.served.is_none()) else {
        return;
    };
    if let Some(price) = live.price().as_mut().filter(|_| !live.is_steered()) {
        price.on_settlement(target, expected, actual);
    }
}

/// The target and the expected cost, where a shadow price made the choice.
fn priced(live: &PolicyLive, decision: &Decision) -> Option<(Nano, Nano)> {
    let by_price = matches!(decision.method, Method::Scored(Optimizer::ShadowPrice, _));
    let expected = decision.picked()?.expected_cost?;
    by_price.then(|| Some((live.target()?, expected))).flatten()
}

/// The policy's lambda; the first call of a policy finds where to start.
fn lambda(plane: &Plane, index: usize, facts: &Facts<'_>) -> f64 {
    let (policy, live) = (&plane.snapshot.policies[index], &plane.policies[index].live);
    let mut price = live.price();
    if let Some(price) = &*price {
        return price.lambda();
    }
    // A rule may ask for the price where the policy itself does not.
    let Some(target) = live.target() else { return 0.0 };
    let candidates: Vec<(f64, f64)> = policy
        .candidates
        .iter()
        .filter_map(|candidate| {
            let model = &plane.snapshot.targets[candidate.target].model;
            let expected = plane.expected(candidate.target);
            let cost = expected.cost(model.prices.as_ref()?, facts.input_tokens, expected.output_tokens);
            Some((model.prior.quality, cost.as_usd()))
        })
        .collect();
    price.insert(ShadowPrice::at(shadow::start(&candidates, target))).lambda()
}

fn facts<'a>(words: &'a Words<'a>, model: &'a str) -> Facts<'a> {
    let chat = words.chat;
    Facts {
        model,
        input_tokens: chat.input_tokens_estimate(),
        input_tokens_bound: chat.input_tokens_bound(),
        input_is_bounded: chat.is_bounded(),
        max_output_tokens: chat.max_output_tokens(),
        answers: chat.choices(),
        needs: Capabilities {
            vision: chat.has_images(),
            tools: chat.has_tools(),
            structured_output: chat.wants_json_schema(),
            reasoning: chat.wants_reasoning(),
        },
        text: words,
        caller: words,
    }
}

/// The request's text and what else the caller says, decoded when a rule asks for it.
struct Words<'a> {
    chat: &'a ChatRequest,
    headers: &'a HeaderMap,
}

impl Text for Words<'_> {
    fn text(&self, scope: TextScope) -> Cow<'_, str> {
        match scope {
            TextScope::LastUserMessage => self.chat.last_user_text(),
            TextScope::UserText => self.chat.user_text(),
            TextScope::All => self.chat.all_text(),
        }
    }
}

impl Caller for Words<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name)?.to_str().ok().map(Cow::Borrowed)
    }

    fn metadata(&self, name: &str) -> Option<Cow<'_, str>> {
        self.chat.metadata(name)
    }

    fn user(&self) -> Option<Cow<'_, str>> {
        self.chat.user()
    }
}
