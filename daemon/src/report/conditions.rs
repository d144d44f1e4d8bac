//! A condition for every PF that is shaped, every policy and pool that selects this node, and
//! one for it all.
//!
//! Policies and pools for other nodes have none: a node's report does not grow with the cluster.

use std::fmt;

use conf::block::PoolRef;
use conf::desired::{NoMatch, PolicyOutcome, Verdict};
use conf::node_state::Condition;
use conf::{NodeName, PciAddress};

use super::{Facts, PfFate};
use crate::claims::Standing;
use crate::source::{ObjectRef, Problem};

/// What a condition is about. `Display` is its `type`, with what Kubernetes allows there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionType {
    /// Everything: `Ready`.
    Ready,
    /// One PF: `pf.railhead.dev/0000-3b-00.0` (a type holds no colon).
    Pf(PciAddress),
    /// One policy: `policy.railhead.dev/NAME`.
    Policy(String),
    /// One pool: `ippool.railhead.dev/NAME`.
    Pool(PoolRef),
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("Ready"),
            Self::Pf(address) => {
                write!(f, "pf.railhead.dev/{}", address.to_string().replace(':', "-"))
            }
            Self::Policy(name) => write!(f, "policy.railhead.dev/{name}"),
            Self::Pool(pool) => write!(f, "{}.railhead.dev/{}", pool.kind, pool.name),
        }
    }
}

/// The condition about `object`; `None` when its name is none that an object can have.
fn about(object: &ObjectRef) -> Option<ConditionType> {
    if *object == ObjectRef::policy(&object.name) {
        // The rule for names of nodes is that for names of objects.
        let name: NodeName = object.name.parse().ok()?;
        return Some(ConditionType::Policy(name.to_string()));
    }
    object.to_pool().map(ConditionType::Pool)
}

/// Whether something is as it should be, and why or why not.
struct Finding {
    holds: bool,
    reason: String,
    message: String,
}

impl Finding {
    fn good(reason: &str, message: impl fmt::Display) -> Self {
        Self { holds: true, reason: reason.to_owned(), message: message.to_string() }
    }

    fn bad(reason: &str, message: impl fmt::Display) -> Self {
        Self { holds: false, reason: reason.to_owned(), message: message.to_string() }
    }
}

/// All conditions, sorted by type; `failures` are those of [`failures`].
pub(super) fn all(facts: &Facts<'_>, failures: &[String]) -> Vec<Condition> {
    let ready = ready(facts, failures);
    let mut conditions = vec![condition(facts, &ConditionType::Ready, None, ready)];
    for address in facts.desired.pfs.keys() {
        let finding = of_fate(facts, *address);
        conditions.push(condition(facts, &ConditionType::Pf(*address), None, finding));
    }
    for (name, outcome) in &facts.desired.policies {
        let Some(finding) = of_policy(facts, name, outcome) else { continue };
        let at = ObjectRef::policy(name);
        conditions.push(condition(facts, &ConditionType::Policy(name.clone()), Some(&at), finding));
    }
    for (pool, standing) in facts.pools {
        if matches!(standing, Standing::NotForThisNode) {
            continue;
        }
        let finding = of_pool(facts, pool, standing);
        let at = ObjectRef::pool(pool);
        conditions.push(condition(facts, &ConditionType::Pool(pool.clone()), Some(&at), finding));
    }
    for problem in &facts.objects.problems {
        let Some(about) = problem.object().and_then(about) else { continue };
        let name = about.to_string();
        if !conditions.iter().any(|condition| condition.r#type == name) {
            let finding = Finding::bad(problem.reason(), problem);
            conditions.push(condition(facts, &about, None, finding));
        }
    }
    conditions.sort_by(|a, b| a.r#type.cmp(&b.r#type));
    conditions
}

/// What keeps the whole from being as it should be, a line each.
pub(super) fn failures(facts: &Facts<'_>) -> Vec<String> {
    let of_objects = facts.objects.problems.iter().map(ToString::to_string);
    let of_pfs = facts.desired.pfs.iter().filter_map(|(address, wanted)| {
        match (wanted.refused.first(), facts.fates.get(address)) {
            (Some(refusal), _) => Some(refusal.to_string()),
            (None, Some(PfFate::Failed { message, .. })) => Some(format!("{address}: {message}")),
            _ => None,
        }
    });
    let of_pools = facts
        .pools
        .iter()
        .filter(|(_, standing)| !standing.is_settled())
        .map(|(pool, standing)| format!("{pool}: {standing}"));
    of_objects.chain(of_pfs).chain(absent_pfs(facts)).chain(of_pools).collect()
}

/// Policies that name PFs, or kinds of PFs, which this node does not have.
fn absent_pfs<'a>(facts: &Facts<'a>) -> impl Iterator<Item = String> + use<'a> {
    let policies = facts.desired.policies.iter();
    policies.filter_map(|(name, outcome)| Some(format!("policy {name}: {}", outcome.absence()?)))
}

fn ready(facts: &Facts<'_>, failures: &[String]) -> Finding {
    let working = facts.desired.pfs.keys().find_map(|pf| match facts.fates.get(pf) {
        None => Some(format!("{pf}: not looked at yet")),
        Some(PfFate::Working { message }) => Some(format!("{pf}: {message}")),
        Some(_) => None,
    });
    match (failures.first(), working) {
        (Some(first), _) if failures.len() == 1 => Finding::bad("Failed", first),
        (Some(first), _) => {
            Finding::bad("Failed", format!("{first}; and {} more", failures.len() - 1))
        }
        (None, Some(working)) => Finding::bad("InProgress", working),
        (None, None) => Finding::good("InForce", "everything is as the objects want it"),
    }
}

fn of_fate(facts: &Facts<'_>, address: PciAddress) -> Finding {
    let refused = facts.desired.pfs.get(&address).and_then(|pf| pf.refused.first());
    match (facts.fates.get(&address), refused) {
        (_, Some(refusal)) => Finding::bad(refusal.reason(), refusal),
        (Some(PfFate::InForce), _) => Finding::good("InForce", "as its policies want it"),
        (Some(PfFate::Working { message }), _) => Finding::bad("InProgress", message),
        (Some(PfFate::Failed { reason, message }), _) => Finding::bad(reason, message),
        (None, _) => Finding::bad("InProgress", "not looked at yet"),
    }
}

/// `None` for a policy that is for other nodes.
fn of_policy(facts: &Facts<'_>, name: &str, outcome: &PolicyOutcome) -> Option<Finding> {
    if let Some(problem) = problem_of(facts, &ObjectRef::policy(name)) {
        return Some(Finding::bad(problem.reason(), kept(problem)));
    }
    match &outcome.no_match {
        Some(NoMatch::OtherNode { .. }) => return None,
        Some(NoMatch::NoVfs) => {
            return Some(Finding::good("NoVfs", "it asks for no VFs"));
        }
        Some(NoMatch::NoPf { why }) => return Some(Finding::bad("NoPfMatches", why)),
        None => {}
    }
    if let Some(lacking) = outcome.lacking() {
        return Some(Finding::bad("PfMissing", lacking));
    }
    let mut of_pfs =
        outcome.pfs.iter().map(|(address, verdict)| of_verdict(facts, *address, verdict));
    let wrong = of_pfs.find(|finding| !finding.holds);
    Some(wrong.unwrap_or_else(|| {
        let pfs: Vec<String> = outcome.pfs.keys().map(ToString::to_string).collect();
        Finding::good("InForce", format!("in force on {}", pfs.join(", ")))
    }))
}

fn of_verdict(facts: &Facts<'_>, address: PciAddress, verdict: &Verdict) -> Finding {
    let list = |items: Vec<String>| format!("{address}: {}", items.join("; "));
    match verdict {
        Verdict::Applied { .. } => {
            let finding = of_fate(facts, address);
            Finding { message: format!("{address}: {}", finding.message), ..finding }
        }
        Verdict::PartlyLost { lost, .. } => {
            Finding::bad("PartlyLost", list(lost.iter().map(ToString::to_string).collect()))
        }
        Verdict::Lost { lost } => {
            Finding::bad("Lost", list(lost.iter().map(ToString::to_string).collect()))
        }
        Verdict::Refused { refusals } => Finding::bad(
            refusals.first().map_or("Refused", |refusal| refusal.reason()),
            list(refusals.iter().map(ToString::to_string).collect()),
        ),
        Verdict::HeldBack { by } => {
            Finding::bad("HeldBack", list(by.iter().map(ToString::to_string).collect()))
        }
    }
}

fn of_pool(facts: &Facts<'_>, pool: &PoolRef, standing: &Standing) -> Finding {
    if let Some(problem) = problem_of(facts, &ObjectRef::pool(pool)) {
        return Finding::bad(problem.reason(), kept(problem));
    }
    if standing.is_settled() {
        Finding::good(standing.reason(), standing)
    } else {
        Finding::bad(standing.reason(), standing)
    }
}

/// What is wrong with the present version of an object of which an older one is in force.
fn problem_of<'a>(facts: &Facts<'a>, at: &ObjectRef) -> Option<&'a Problem> {
    let kept = facts.objects.known.iter().any(|known| known.kept && known.at == *at);
    let about = |problem: &&Problem| problem.hides_an_object() || problem.object() == Some(at);
    facts.objects.problems.iter().find(about).filter(|_| kept)
}

fn kept(problem: &Problem) -> String {
    format!("{problem} (the version before stays in force)")
}

fn condition(
    facts: &Facts<'_>,
    about: &ConditionType,
    object: Option<&ObjectRef>,
    finding: Finding,
) -> Condition {
    Condition {
        r#type: about.to_string(),
        status: if finding.holds { "True" } else { "False" }.to_owned(),
        observed_generation: object.and_then(|at| facts.objects.generation(at)),
        last_transition_time: facts.now.to_string(),
        reason: finding.reason,
        message: finding.message,
    }
}
