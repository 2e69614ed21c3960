package ledger_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"caselink.example/connectors/delivery"
	"caselink.example/connectors/delivery/ledgertest"
	"caselink.example/connectors/store"
	"caselink.example/connectors/store/cluster"
	"caselink.example/connectors/store/ledger"
	"caselink.example/connectors/store/storetest"
)

func TestLedgerKeepsContract(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T, now func() time.Time) (delivery.Ledger, ledgertest.Owe) {
		target := storetest.Open(t)
		db, err := store.Open(t.Context(), store.Config{URL: target.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		return &ledger.Ledger{DB: db, Now: now}, func(t *testing.T, items ...delivery.Item) {
			t.Helper()
			conn, err := pgx.Connect(t.Context(), storetest.As(target.OwnerURL, cluster.Admin))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			for _, item := range items {
				owe(t, conn, item, now())
			}
		}
	})
}

func TestLeasesOfDeadProcessAreTaken(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	process := func() (*ledger.Ledger, *store.DB, context.CancelFunc) {
		db, err := store.Open(t.Context(), store.Config{URL: target.URL})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		l := &ledger.Ledger{DB: db, Now: time.Now}
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		go func() { _ = l.Run(ctx) }()
		return l, db, stop
	}
	first, db, _ := process()
	storetest.Until(t, target, `select count(*) = 1 from pg_locks where locktype = 'advisory' and classid = 51806`)
	storetest.Referral(t, db, "Y99901", "svc-a")
	claim := func(l *ledger.Ledger) []delivery.Item {
		t.Helper()
		items, err := l.Claim(t.Context(), []delivery.Slots{{Destination: "Y99901", Free: 9}}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	if items := claim(first); len(items) != 1 {
		t.Fatalf("claimed %d items, want 1", len(items))
	}
	second, _, _ := process()
	storetest.Until(t, target, `select count(*) = 2 from pg_locks where locktype = 'advisory' and classid = 51806`)
	if items := claim(second); len(items) != 0 {
		t.Fatalf("claimed %d items that a living process has leased", len(items))
	}

	target.Exec(t, `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 51806 order by pid limit 1`)

	storetest.Until(t, target, `select next_at <= now() from caselink.lanes`)
	if items := claim(second); len(items) != 1 || items[0].Attempt != 2 {
		t.Errorf("claimed %v, want the second attempt of the item", items)
	}
}

// owe commits one item as the commit of a Change does.
func owe(t *testing.T, conn *pgx.Conn, it delivery.Item, now time.Time) {
	t.Helper()
	b := &pgx.Batch{}
	b.Queue(`insert into caselink.referrals values ($1, $2, 'svc', $1, 1, sha256(''), '', $3) on conflict do nothing`,
		it.Holder, it.Referral, now)
	b.Queue(`insert into caselink.versions values ($1, $2, $3, $4, $5, 'svc', $6, $7) on conflict do nothing`,
		it.Holder, it.ResourceType, it.ResourceID, it.Version, it.Referral, now, it.Body)
	b.Queue(`insert into caselink.lanes (holder, referral, destination, last, next_at, withhold) values ($1, $2, $3, 1, $4, $5)
		on conflict (holder, referral, destination) do update set last = lanes.last + 1, withhold = excluded.withhold,
		next_at = case when lanes.done = lanes.last then excluded.next_at else lanes.next_at end`,
		it.Holder, it.Referral, it.Destination, now, it.Withhold)
	b.Queue(`insert into caselink.owed (holder, referral, destination, n, seq, event_id, request_id, correlation_id,
			type, id, version, owed_since)
		select $1, $2, $3, last, $4, $5, $6, $7, $8, $9, $10, $11
		from caselink.lanes where holder = $1 and referral = $2 and destination = $3`,
		it.Holder, it.Referral, it.Destination, it.Seq, it.EventID, it.RequestID, it.CorrelationID,
		it.ResourceType, it.ResourceID, it.Version, now)
	if err := conn.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatalf("owe: %v", err)
	}
}
