//! What leaves the ledger: exports that miss no row at any page's edge, and copies that are proven before they count.

use super::*;

impl Bench {
    async fn exported(&self, period: Period) -> Vec<u128> {
        let (mut ids, mut progress) = (Vec::new(), Vec::new());
        let each = &mut |line: DepositLine| {
            ids.push(line.id.parse::<DepositId>().unwrap().uuid().as_u128());
            Ok::<_, Error>(())
        };
        self.ledger.export_deposits(period, &mut |done, all| progress.push((done, all)), each).await.unwrap();
        assert!(
            progress.is_sorted() && progress.last().is_none_or(|(done, all)| done == all),
            "{progress:?}"
        );
        ids
    }

    async fn entries(&self, period: Period) -> (usize, Vec<i64>) {
        let (mut accounts, mut entries) = (Vec::new(), Vec::new());
        let each = &mut |part: Entries| {
            match part {
                Entries::Accounts(known) => accounts.push(known),
                Entries::Entry(line) => entries.push(line.entry_id),
            }
            Ok::<_, Error>(())
        };
        self.ledger.export_entries(period, &mut |_, _| {}, each).await.unwrap();
        assert_eq!(accounts.len(), 1, "once, and first");
        (accounts[0].len(), entries)
    }
}

#[tokio::test]
async fn an_export_has_every_row_of_its_period_and_no_other() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.exported(Period::default()).await, [] as [u128; 0]);
    assert_eq!(bench.entries(Period::default()).await, (0, Vec::new()));
    for number in 1..=3 {
        bench.paid(number, "5").await;
        bench.wait(55);
    }
    assert_eq!(bench.exported(Period::default()).await, [1, 2, 3]);
    let hour = |hour: u64| Some(at("2026-01-10T09:00:00Z").plus(Duration::from_hours(hour)));
    assert_eq!(bench.exported(Period { from: hour(1), to: None }).await, [2, 3]);
    assert_eq!(bench.exported(Period { from: None, to: hour(1) }).await, [1]);
    assert_eq!(bench.exported(Period { from: hour(1), to: hour(2) }).await, [2]);
    assert_eq!(bench.entries(Period::default()).await, (2, vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(bench.entries(Period { from: hour(1), to: hour(2) }).await, (2, vec![3, 4]));
    let mut earlier = Vec::new();
    let each = &mut |line: Earlier| {
        earlier.push((line.entry_id, line.account, line.amount_usd_micros));
        Ok::<_, Error>(())
    };
    bench.ledger.entries_before(at("2026-01-10T10:00:00Z"), each).await.unwrap();
    assert_eq!(
        earlier,
        [
            (1, "assets:prepaid:smsonline".to_owned(), 5_000_000),
            (2, "equity:crypto:usdt".to_owned(), -5_000_000)
        ]
    );
    let stop = &mut |_: DepositLine| Err(Error::Closed);
    let stopped = bench.ledger.export_deposits(Period::default(), &mut |_, _| {}, stop).await;
    assert!(matches!(stopped, Err(Error::Closed)), "whoever receives it may stop it");
}

#[tokio::test]
async fn an_export_of_thousands_loses_none_between_its_handfuls() {
    let bench = Bench::new().await;
    let writes: Vec<_> = (1..=4001).map(|number| bench.request(number, "5")).collect();
    for some in writes.chunks(500) {
        bench.ledger.record(some.to_vec()).await.unwrap();
    }
    assert_eq!(bench.exported(Period::default()).await, (1..=4001).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_copy_is_proven_before_it_has_its_name_and_never_takes_anothers() {
    let mut bench = Bench::new().await;
    bench.paid(1, "5").await;
    let path = bench.file("copy.db");
    // What lies beside it is no hindrance, and is somebody else's.
    std::fs::write(bench.file("copy.db.partial"), b"half").unwrap();
    let report = bench.ledger.backup(&path).await.unwrap();
    assert_eq!((report.path.clone(), report.bytes), (path.clone(), std::fs::metadata(&path).unwrap().len()));
    assert_eq!((report.verification.events, report.verification.head_seq), (3, 3));
    assert_eq!(std::fs::read(bench.file("copy.db.partial")).unwrap(), b"half");
    let copy = Ledger::open(settings(&path), Access::Read).await.unwrap();
    assert_eq!(copy.head_hash().await.unwrap(), bench.ledger.head_hash().await.unwrap());
    assert!(matches!(bench.ledger.backup(&path).await, Err(Error::Io { doing: "will not overwrite", .. })));
    // It is called as it was asked for, whatever that would mean in a URI.
    for name in ["50%41 ?mode=ro#a&b.db", "Übertrag 'März'.db"] {
        bench.ledger.backup(&bench.file(name)).await.unwrap();
        assert!(names(bench.folder.path()).contains(&name.to_owned()), "{name}");
    }
    // One that does not prove whole gets no name.
    let mut aside = bench.aside().await;
    sqlx::raw_sql("UPDATE account_balance SET balance_micros = 1").execute(&mut aside).await.unwrap();
    let error = bench.ledger.backup(&bench.file("second.db")).await.unwrap_err();
    assert!(matches!(&error, Error::Untrusted(why) if why.contains("account_balance")), "{error}");
    let left: Vec<_> =
        names(bench.folder.path()).into_iter().filter(|name| name.contains("second")).collect();
    assert_eq!(left, Vec::<String>::new());
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Found by names from the future: each new copy was removed as the oldest.
#[tokio::test]
async fn the_copies_stay_that_know_most_whatever_names_and_times_say() {
    let mut bench = Bench::new().await;
    let folder = bench.file("copies");
    std::fs::create_dir(&folder).unwrap();
    bench.ask(9, "5").await;
    // Copies of this ledger that know little, named and dated as if they were the newest.
    for year in ["2098", "2099"] {
        bench.ledger.backup(&folder.join(format!("ledger-{year}0101T000000Z.db"))).await.unwrap();
    }
    // No copies; another ledger's; a link to the ledger itself; and one of this ledger that knows another past.
    for year in ["2097", "2096"] {
        std::fs::write(folder.join(format!("ledger-{year}0101T000000Z.db")), b"mine").unwrap();
    }
    let other = Bench::new().await;
    other.ask(1, "5").await;
    other.ledger.backup(&folder.join("ledger-20950101T000000Z.db")).await.unwrap();
    std::os::unix::fs::symlink(bench.path(), folder.join("ledger-20940101T000000Z.db")).unwrap();
    bench.paid(1, "5").await;
    let past = folder.join("ledger-20930101T000000Z.db");
    bench.ledger.backup(&past).await.unwrap();
    let mut aside = connect(&past).await;
    let history = "DROP TRIGGER event_no_update; UPDATE event SET hash = 'another' WHERE seq = (SELECT max(seq) FROM event)";
    sqlx::raw_sql(history).execute(&mut aside).await.unwrap();
    aside.close().await.unwrap();
    let (fresh, old) = ("00000000000000000000000000000001", "00000000000000000000000000000002");
    std::fs::write(folder.join(format!("ledger-20260110T100000Z.db.{fresh}.partial")), b"").unwrap();
    let unfinished = folder.join(format!("ledger-20260110T100000Z.db.{old}.partial"));
    let file = std::fs::File::create(&unfinished).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();

    let mut made = Vec::new();
    for number in 2..5 {
        bench.wait(60);
        bench.ask(number, "5").await;
        let report = bench.ledger.scheduled_backup(&folder, 2, bench.now).await.unwrap();
        assert!(report.path.exists(), "the new copy stays");
        made.push(report.path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let mut expected = vec![
        made[1].clone(),
        made[2].clone(),
        format!("ledger-20260110T100000Z.db.{fresh}.partial"),
        "ledger-20930101T000000Z.db".to_owned(),
        "ledger-20940101T000000Z.db".to_owned(),
        "ledger-20950101T000000Z.db".to_owned(),
        "ledger-20960101T000000Z.db".to_owned(),
        "ledger-20970101T000000Z.db".to_owned(),
    ];
    expected.sort_unstable();
    assert_eq!(names(&folder), expected);
}

#[tokio::test]
async fn of_the_scheduled_copies_the_newest_stay_and_nothing_else_is_touched() {
    let mut bench = Bench::new().await;
    let folder = bench.file("copies");
    std::fs::create_dir(&folder).unwrap();
    for name in ["ledger-notes.txt", "2026Z.db", "aardvark.db"] {
        std::fs::write(folder.join(name), b"mine").unwrap();
    }
    for _ in 0..3 {
        bench.wait(60);
        bench.ledger.scheduled_backup(&folder, 2, bench.now).await.unwrap();
    }
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "2026Z.db",
            "aardvark.db",
            "ledger-20260110T110000Z.db",
            "ledger-20260110T120000Z.db",
            "ledger-notes.txt"
        ]
    );
}
