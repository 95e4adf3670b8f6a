//! Parses, runs, and turns the outcome into an exit status.

fn main() -> std::process::ExitCode {
    depositd::cli::run(std::env::args_os())
}
