//! Where railhead keeps things. Every path hangs off one root, so that a test or an image build
//! can have a railhead of its own.

use std::path::{Path, PathBuf};

/// The directory that stands for `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The running system: `/`.
    pub fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A root somewhere else.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The root itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path of the system below this root: `/etc/cni` becomes `ROOT/etc/cni`.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// `/run/railhead`: what does not outlive a reboot.
    pub fn run(&self) -> PathBuf {
        self.join("run/railhead")
    }

    /// `/run/railhead/store`: leases, attachments and VF owners ([`crate::store`]).
    pub fn store(&self) -> PathBuf {
        self.run().join("store")
    }

    /// `/run/railhead/vf`: one lock file for each VF.
    pub fn vf_locks(&self) -> PathBuf {
        self.run().join("vf")
    }

    /// `/run/railhead/vfs`: one empty file for each VF that is for containers.
    pub fn vf_markers(&self) -> PathBuf {
        self.run().join("vfs")
    }

    /// `/run/railhead/journal`: what the daemon changed, and what stood there before.
    pub fn journal(&self) -> PathBuf {
        self.run().join("journal")
    }

    /// `/run/railhead/daemon.sock`: the daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.run().join("daemon.sock")
    }

    /// `/run/railhead/metrics.sock`: where the daemon serves metrics.
    pub fn metrics_socket(&self) -> PathBuf {
        self.run().join("metrics.sock")
    }

    /// `/var/lib/railhead`: what outlives a reboot.
    pub fn state(&self) -> PathBuf {
        self.join("var/lib/railhead")
    }

    /// `/var/lib/railhead/blocks`: this node's address blocks ([`crate::blocks`]).
    pub fn blocks(&self) -> PathBuf {
        self.state().join("blocks")
    }

    /// `/var/lib/railhead/store.boot`: in which boot the store was made.
    pub fn store_mark(&self) -> PathBuf {
        self.state().join("store.boot")
    }

    /// `/etc/railhead`: what the admin writes.
    pub fn etc(&self) -> PathBuf {
        self.join("etc/railhead")
    }

    /// `/etc/railhead/railhead.yaml`: the settings.
    pub fn settings(&self) -> PathBuf {
        self.etc().join("railhead.yaml")
    }

    /// `/etc/railhead/objects`: the custom resources in directory mode.
    pub fn objects(&self) -> PathBuf {
        self.etc().join("objects")
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::system()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_hangs_off_the_root() {
        let root = Root::at("/tmp/x");
        assert_eq!(root.store(), Path::new("/tmp/x/run/railhead/store"));
        assert_eq!(root.blocks(), Path::new("/tmp/x/var/lib/railhead/blocks"));
        assert_eq!(root.objects(), Path::new("/tmp/x/etc/railhead/objects"));
        assert_eq!(root.join("/etc/cni/net.d"), Path::new("/tmp/x/etc/cni/net.d"));
        assert_eq!(Root::system().vf_locks(), Path::new("/run/railhead/vf"));
    }
}
