use std::cell::RefCell;
use std::path::PathBuf;

use super::*;
use crate::source::SourceFile;

/// Claims that only note what is asked of them.
#[derive(Default)]
struct Noted {
    held: Vec<PoolRef>,
    asked: RefCell<Vec<String>>,
}

impl Claims for Noted {
    fn prepare(&self) -> Result<(), ClaimError> {
        self.asked.borrow_mut().push("prepare".to_owned());
        Ok(())
    }

    fn claim(&self, pool: &Pool) -> Result<Claim, ClaimError> {
        self.asked.borrow_mut().push(format!("claim {}", pool.at()));
        Ok(Claim::NoBlock { why: "none left".to_owned() })
    }

    fn release(&self, pool: &PoolRef, why: Unasked) -> Result<Release, ClaimError> {
        self.asked.borrow_mut().push(format!("release {pool}: {why}"));
        Ok(Release::InUse { leases: 2 })
    }

    fn held(&self) -> Result<Vec<PoolRef>, ClaimError> {
        Ok(self.held.clone())
    }
}

fn held(pools: &[&str]) -> Noted {
    Noted { held: pools.iter().map(|pool| pool.parse().unwrap()).collect(), ..Noted::default() }
}

fn pool(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: nv-ipam.nvidia.com/v1alpha1\nkind: IPPool\nmetadata: {{name: {name}}}\n\
         spec: {{subnet: 10.0.0.0/24, perNodeBlockSize: 10{rest}}}\n---\n"
    )
}

fn objects(text: &str) -> Objects {
    Objects::of_files(&[SourceFile { path: PathBuf::from("a.yaml"), content: text.into() }])
}

fn node() -> Node {
    Node::new("node-a".parse().unwrap(), BTreeMap::new())
}

/// What is asked of the port, and how each pool stands then.
fn settled(noted: &Noted, text: &str) -> (Vec<String>, Vec<String>) {
    let standings = settle(noted, &objects(text), &node()).unwrap();
    let standings =
        standings.iter().map(|(pool, standing)| format!("{pool} {}", standing.reason())).collect();
    (noted.asked.borrow().clone(), standings)
}

const ELSEWHERE: &str = ", nodeSelector: {nodeSelectorTerms: [{matchExpressions: \
                         [{key: role, operator: In, values: [other]}]}]}";

#[test]
fn pools_for_this_node_are_claimed_and_others_are_not() {
    let (asked, standings) =
        settled(&Noted::default(), &(pool("here", "") + &pool("there", ELSEWHERE)));
    assert_eq!(asked, ["prepare", "claim ippool/here"]);
    assert_eq!(standings, ["ippool/here NoFreeBlock", "ippool/there NotSelected"]);
}

#[test]
fn what_is_gone_or_for_others_now_is_released() {
    let noted = held(&["ippool/gone", "ippool/here", "ippool/there"]);
    let (asked, standings) = settled(&noted, &(pool("here", "") + &pool("there", ELSEWHERE)));
    assert_eq!(
        asked,
        [
            "prepare",
            "claim ippool/here",
            "release ippool/gone: the pool is gone",
            "release ippool/there: the pool does not select this node any more",
        ]
    );
    assert_eq!(standings, ["ippool/gone InUse", "ippool/here NoFreeBlock", "ippool/there InUse"]);
}

#[test]
fn a_broken_pool_keeps_its_block() {
    let noted = held(&["ippool/broken"]);
    let text = pool("broken", ", gateway: nonsense");
    assert_eq!(settled(&noted, &text).0, ["prepare"]);
}

#[test]
fn nothing_is_released_while_a_file_cannot_be_read() {
    let noted = held(&["ippool/gone"]);
    assert_eq!(settled(&noted, "kind: [").0, ["prepare"]);
}
