//! The program that the virtual machine runs, as PID 1.

fn main() {
    tests::guest::init::main();
}
