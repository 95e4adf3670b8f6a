//! What a person types to play with a sandbox that serves: the commands, with the real paths and addresses in them.

use super::context::ScenarioContext;
use super::shell::quoted;
use super::workspace::TOKEN;

/// How to ask for a deposit and pay it, in whatever way.
pub(super) fn instructions(context: &ScenarioContext) -> String {
    let url = context.upstream.base_url();
    let config = quoted(&context.folder.config_file().display().to_string());
    let depositd = format!("{} --config {config}", context.program);
    let pace = match context.folder.plan.speed {
        1 => String::new(),
        speed => {
            let now = context.clock.now().to_seconds_text().replace('T', " ").replace('Z', " UTC");
            format!("\nIts time is {now}, and runs {speed} times as fast as life.")
        }
    };
    let token = context.folder.file(TOKEN);
    let look = match (context.page.as_str(), std::fs::read_to_string(&token)) {
        ("", _) | (_, Err(_)) => String::new(),
        (page, Ok(token)) => format!(
            "  Look at it in a browser, and log in with the token\n    {page}\n    {}\n",
            token.trim()
        ),
    };
    format!(
        r#"
The sandbox is up, and stays up until Ctrl-C.{pace}

{look}  Ask for a deposit; it is paid by nobody but you:
    {depositd} request USDT BSC 25
    {depositd} request --page 25
    {depositd} request --card 25
    {depositd} list
    {depositd} watch
  Or let a program ask; docs/integrating.md has three:
    export DEPOSITD_URL={api} DEPOSITD_TOKEN=$(cat {token})
    curl -s $DEPOSITD_URL/v1/deposits -H "Authorization: Bearer $DEPOSITD_TOKEN"
  Pay it (ORDER is the order_id that `show` names, but for a link; or take the newest):
    ORDER=$(curl -s {url}/sandbox/orders | grep -o '"order_id":"[^"]*' | tail -1 | cut -d'"' -f4)
    curl -X POST {url}/sandbox/orders/$ORDER/pay                              # exactly
    curl -X POST {url}/sandbox/orders/$ORDER/pay -d '{{"amount_usd":"30.00"}}'  # too much, or too little
    curl -X POST {url}/sandbox/orders/$ORDER/act -d '{{"act":"see"}}'           # seen on the chain
    curl -X POST {url}/sandbox/orders/$ORDER/act -d '{{"act":"pay_part","amount_usd":"10.00"}}'
    other acts: process, close_short, cancel, fail, system_fail, lock, release, start_refund, finish_refund, fail_refund
  Let deposits of an amount live by themselves:
    curl -X POST {url}/sandbox/plans -d '{{"amount":"5.15","fate":"late"}}'
  The rest of the world:
    curl -X POST {url}/sandbox/top-ups -d '{{"cents":500}}'                     # somebody else tops up
    curl -X POST {url}/sandbox/spend -d '{{"cents":500}}'
    curl -X POST {url}/sandbox/outage -d '{{"on":true}}'                        # and false
    curl -X POST {url}/sandbox/faults -d '{{"call":"create","fault":"drop_after_acting"}}'
    curl -s {url}/sandbox/books
  Compare and prove:
    {depositd} reconcile
    {depositd} verify
"#,
        api = context.api,
        token = quoted(&token.display().to_string()),
    )
}

/// The same for a program.
pub(super) fn places(context: &ScenarioContext) -> serde_json::Value {
    serde_json::json!({
        "serving": true,
        "api": context.api,
        "page": context.page,
        "token_file": context.folder.file(TOKEN),
        "upstream": context.upstream.base_url(),
        "config": context.folder.config_file(),
    })
}
