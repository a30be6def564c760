//! Condition types and reasons: the words in which objects say how they fare.
//!
//! `Ready` is `Accepted`, `ResolvedRefs` and `Programmed` together and takes the reason of the first that is missing.
//! It never follows traffic. Every other type is abnormal when True.

use crate::choice::choice;

choice! {
    /// What a condition speaks of.
    pub enum ConditionType {
        /// Every kind: the spec is valid, beyond what the schema can check.
        Accepted = "Accepted",
        /// Every kind: every name in the spec resolves, and may be used.
        ResolvedRefs = "ResolvedRefs",
        /// Every kind: what follows from the spec was handed to the sidecars that it concerns.
        Programmed = "Programmed",
        /// Every kind: the three above together.
        Ready = "Ready",
        /// RoutingPolicy: another policy takes some of its pods.
        Conflicted = "Conflicted",
        /// LLMProvider: some sidecar has trouble with it.
        Unhealthy = "Unhealthy",
        /// RoutingPolicy: its spend target is below what its cheapest candidates cost.
        TargetTooLow = "TargetTooLow",
        /// Every kind that sidecars are configured by: a sidecar refused the newest configuration.
        Nacked = "Nacked",
        /// RoutingPolicy: some of its pods run a sidecar of older settings; nothing restarts them by force.
        RestartRequired = "RestartRequired",
        /// Budget: it counts and refuses nothing, because rights are not handed out.
        CountingOnly = "CountingOnly",
        /// Budget: a limit is used up.
        Exhausted = "Exhausted",
    }
}

choice! {
    /// Why a condition has its status, in one word.
    pub enum Reason {
        /// Every kind, Accepted: every field is valid.
        Accepted = "Accepted",
        /// Every kind, Accepted: a field is wrong in a way that the schema cannot see; the message names it.
        Invalid = "Invalid",
        /// Budget, Accepted: `namespaceSelector` outside the root namespace.
        NotRootNamespace = "NotRootNamespace",

        /// Every kind, ResolvedRefs: every reference resolves.
        ResolvedRefs = "ResolvedRefs",
        /// RoutingPolicy and ABTest, ResolvedRefs: no provider in reach serves a model that is named.
        UnknownModel = "UnknownModel",
        /// RoutingPolicy and Budget, ResolvedRefs: a provider that is named does not exist, or serves nothing that is asked of it.
        UnknownProvider = "UnknownProvider",
        /// RoutingPolicy, ResolvedRefs: a provider of another namespace does not allow this one.
        NotPermitted = "NotPermitted",
        /// ABTest and Budget, ResolvedRefs: a policy that is named does not exist.
        PolicyNotFound = "PolicyNotFound",
        /// LLMProvider, ResolvedRefs: the Secret does not exist.
        SecretMissing = "SecretMissing",
        /// LLMProvider, ResolvedRefs: the Secret lacks the key.
        SecretKeyMissing = "SecretKeyMissing",
        /// LLMProvider, ResolvedRefs: the operator may not read the Secret; the message prints the command that lets it.
        SecretForbidden = "SecretForbidden",
        /// LLMProvider, ResolvedRefs: the Secret does not allow its key to go to this host.
        HostNotAllowed = "HostNotAllowed",
        /// LLMProvider, ResolvedRefs: a private address or plain HTTP, without leave of the operator.
        PrivateEndpoint = "PrivateEndpoint",
        /// LLMProvider, ResolvedRefs: a model's price is neither in the spec nor in the catalogue.
        PriceUnknown = "PriceUnknown",

        /// Every kind, Programmed: every sidecar that it concerns has it.
        Programmed = "Programmed",
        /// Every kind, Programmed: it is not Accepted or does not resolve, so nothing was handed out.
        NotProgrammed = "NotProgrammed",
        /// RoutingPolicy, Programmed (True): it selects no pod with a sidecar yet.
        NoPods = "NoPods",
        /// Every kind, Programmed: some sidecars do not have this generation yet.
        SidecarsBehind = "SidecarsBehind",

        /// Every kind, Ready: everything is as it should be.
        Ready = "Ready",

        /// RoutingPolicy, Conflicted: another policy of higher rank or priority takes some pods.
        LowerPriority = "LowerPriority",
        /// RoutingPolicy, Conflicted: no pod is contested.
        NoConflict = "NoConflict",

        /// RoutingPolicy, RestartRequired: some pods were given their sidecar by older settings.
        SidecarsOutdated = "SidecarsOutdated",
        /// RoutingPolicy, RestartRequired: every pod has the sidecar that it would be given now.
        UpToDate = "UpToDate",

        /// RoutingPolicy, TargetTooLow: the cheapest candidates alone cost more than the target; they answer every call.
        BelowCheapest = "BelowCheapest",
        /// RoutingPolicy, TargetTooLow: the target can be met, as far as recent calls tell.
        WithinReach = "WithinReach",

        /// LLMProvider, Unhealthy: no sidecar has trouble.
        Healthy = "Healthy",
        /// LLMProvider, Unhealthy: it asked for a pause.
        RateLimited = "RateLimited",
        /// LLMProvider, Unhealthy: it is left alone after errors in a row.
        CircuitOpen = "CircuitOpen",
        /// LLMProvider, Unhealthy: it refuses the key.
        CredentialRejected = "CredentialRejected",

        /// Every kind, Nacked: a sidecar refused the newest configuration; the message says which and why.
        Refused = "Refused",
        /// Every kind, Nacked: no sidecar refused.
        NoneRefused = "NoneRefused",

        /// Budget, CountingOnly: rights are not handed out across pods.
        RightsNotAllotted = "RightsNotAllotted",
        /// Budget, Exhausted: every limit has room.
        WithinLimit = "WithinLimit",
        /// Budget, Exhausted: a limit is used up until its window ends.
        LimitReached = "LimitReached",
    }
}
