//! Transactions of the store, failing as CNI knows it.

use conf::cni::{Code, Error};
use ipam::nv_ipam::store_error;
use ipam::{BootTime, ReadTxn, Store, StoreError, WriteTxn};

/// Runs `work` in one transaction: all of it happens, or nothing.
///
/// # Errors
/// Those of `work`, and those of the store.
pub(crate) fn write<T>(
    store: &Store,
    work: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    store.write(|txn| work(txn).map_err(Failure)).map_err(|Failure(error)| error)
}

/// Runs `work` on the newest state.
///
/// # Errors
/// Those of `work`, and those of the store.
pub(crate) fn read<T>(
    store: &Store,
    work: impl FnOnce(&ReadTxn<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    store.read(|txn| work(txn).map_err(Failure)).map_err(|Failure(error)| error)
}

/// Now, on the clock that leases are stamped with.
///
/// # Errors
/// Code 999 when the kernel does not tell.
pub(crate) fn now() -> Result<BootTime, Error> {
    BootTime::now()
        .map_err(|cause| Error::new(Code::Internal, format!("read the boot clock: {cause}")))
}

/// Carries an error out of a transaction. (`From<StoreError>` for the error itself would have to
/// be written where neither type is.)
struct Failure(Error);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(store_error(error))
    }
}
