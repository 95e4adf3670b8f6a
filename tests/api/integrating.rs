//! The programs of docs/integrating.md, each run as it stands on the page.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use depositd::sandbox::upstream::{Action, Fate};
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN};

const PAGE: &str = include_str!("../../docs/integrating.md");

/// What stands on the page between the fences of this language.
fn program(language: &str) -> &'static str {
    let fence = format!("```{language}\n");
    let mut blocks = PAGE.split(fence.as_str()).skip(1);
    let block = blocks.next().unwrap().split("\n```").next().unwrap();
    assert!(blocks.next().is_none(), "one program in {language}");
    block
}

fn command(bench: &Bench, folder: &Path, program: &[&str], order: &str, amount: &str) -> Command {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).args([order, amount]).current_dir(folder);
    command.env("DEPOSITD_URL", format!("http://{}", bench.tcp)).env("DEPOSITD_TOKEN", TOKEN);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `command` to its end while the daemon goes on.
async fn output(mut command: Command) -> (bool, String) {
    let name = format!("{command:?}");
    let run =
        move || command.output().unwrap_or_else(|error| panic!("{name}: {error}; `.ci/test` installs it"));
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_of_the_page_asks_pays_and_learns_what_became_of_it() {
    let bench = Bench::start_polling(Duration::from_millis(200)).await;
    bench.upstream.set_default_fate(Fate::Manual);
    for (language, file, run) in [
        ("python", "shop.py", &["python3"][..]),
        ("php", "shop.php", &["php"]),
        ("js", "shop.mjs", &["node"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), program(language)).unwrap();
        let whole = [run, &[file]].concat();
        let order = format!("order-{language}");
        let seen = bench.upstream.orders().len();
        let mut shop = tokio::spawn(output(command(&bench, folder.path(), &whole, &order, "10.50")));
        let mut head = bench.flow.ledger.head();
        while bench.upstream.orders().len() == seen {
            tokio::select! {
                changed = head.changed() => changed.unwrap(),
                gave_up = &mut shop => panic!("{language}: {gave_up:?}"),
            }
        }
        let wallet = bench.upstream.orders().pop().unwrap();
        bench.upstream.act(&wallet.order_id, Action::Pay { amount_usd: None }).unwrap();
        let (good, said) = shop.await.unwrap();
        assert!(good, "{language}: {said}");
        let (_, page) = bench.get(&format!("/v1/deposits?reference={order}")).await;
        let deposit = &page["deposits"][0];
        let booked = deposit["amount_booked"].as_str().unwrap();
        let expected = format!(
            "pay {} USDT on TRON to {}\n{order}: settled, {booked} USD\n",
            wallet.amount_crypto, wallet.address
        );
        assert_eq!(said, expected, "{language}");
        // The key stands for that deposit alone, and whoever starts again goes on behind what is done.
        let (_, said) = output(command(&bench, folder.path(), &whole, &order, "11")).await;
        assert!(
            said.contains("idempotency-conflict") && said.contains(deposit["id"].as_str().unwrap()),
            "{said}"
        );
        let (_, next) = bench.get("/v1/events?after=0&limit=1000").await;
        let place: i64 =
            std::fs::read_to_string(folder.path().join("after.txt")).map_or(0, |text| text.parse().unwrap());
        assert!(place <= next["next_after"].as_i64().unwrap());
        assert_eq!(next["more"], Value::Bool(false));
    }
    let (_, page) = bench.get("/v1/deposits?state=settled").await;
    assert_eq!(page["deposits"].as_array().map(Vec::len), Some(3), "{}", json!(page));
}
