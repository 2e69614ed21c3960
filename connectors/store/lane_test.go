package store_test

import (
	"testing"

	"caselink.example/connectors/store/storetest"
	"caselink.example/mapping/workflow"
)

// accept moves the case to accepted, as changed by edit: one more item for its lane.
func accept(edit func(*workflow.Change)) func(workflow.Current) (workflow.Change, error) {
	return func(cur workflow.Current) (workflow.Change, error) {
		c, err := storetest.Accepted(cur)
		edit(&c)
		return c, err
	}
}

func TestCommitLeavesTheLaneAsTheChangeSays(t *testing.T) {
	t.Parallel()
	park := func(c *workflow.Change) { c.Owed[0].Parked = "nobody is named" }
	withhold := func(c *workflow.Change) { c.Withhold = true }
	plain := func(*workflow.Change) {}
	const later = `update caselink.lanes set next_at = '2030-01-01'` // leased, or waiting for its next try
	for name, test := range map[string]struct {
		first     func(*workflow.Change) // the Change that creates the referral
		meanwhile string                 // what delivery does
		then      func(*workflow.Change) // the next Change; nil for none
		want      string
	}{
		"withheld at once":               {withhold, ``, nil, "last 1, due 2026-01-12, withheld"},
		"parked at once":                 {park, ``, nil, "last 1, due 2026-01-12, parked"},
		"two items, due since the first": {plain, ``, plain, "last 2, due 2026-01-12"},
		"parked at once stays parked":    {park, ``, plain, "last 2, due 2026-01-12, parked"},
		"the next one parks it, and passes the fence of a claim under way": {
			plain, ``, park, "last 2, due 2026-01-12, parked, fence 1",
		},
		"withheld at once, then agreed to": {withhold, ``, plain, "last 2, due 2026-01-12"},
		"agreed to, then withheld":         {plain, ``, withhold, "last 2, due 2026-01-12, withheld"},
		"withheld all along":               {withhold, ``, withhold, "last 2, due 2026-01-12, withheld"},
		"with something to send it keeps its time": {
			plain, later, plain, "last 2, due 2030-01-01",
		},
		"with nothing to send it is due at once": {
			plain, later + `, done = last`, plain, "last 2, due 2026-01-12",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := storetest.Open(t)
			db := openAt(t, target)
			c := storetest.Opening("Y99901", "svc-a")
			test.first(&c)
			create(t, db, c)
			if test.meanwhile != "" {
				target.Exec(t, test.meanwhile)
			}

			if test.then != nil {
				if err := db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, accept(test.then)); err != nil {
					t.Fatal(err)
				}
			}

			got := storetest.Query[string](t, target, `select concat_ws(', ', 'last ' || last, 'due ' || next_at::date,
				case when parked then 'parked' end, case when withhold then 'withheld' end, 'fence ' || nullif(fence, 0))
				from caselink.lanes`)
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("the lane is %v, want %s", got, test.want)
			}
		})
	}
}

func TestItemsOfAChangeStandInTheirOrderBehindTheLane(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	c := storetest.Opening("Y99901", "svc-a")
	create(t, db, c)

	err := db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, accept(func(c *workflow.Change) {
		first := c.Owed[0]
		c.Owed = nil
		for _, destination := range []string{"Y99901", "copy", "Y99901", "copy", "Y99901"} {
			item := first
			item.Destination, item.Version = destination, len(c.Owed)+2 // the items are told apart by it
			c.Owed = append(c.Owed, item)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}

	got := storetest.Query[string](t, target, `select destination || ': ' || string_agg(n || '=v' || version, ' ' order by n)
		|| ', last ' || max(last) from caselink.owed join caselink.lanes using (holder, referral, destination)
		group by destination order by destination desc`)
	want := []string{"copy: 1=v3 2=v5, last 2", "Y99901: 1=v1 2=v2 3=v4 4=v6, last 4"}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("items %v, want %v", got, want)
	}
}

func TestOutcomeLeavesTheTaskVersionAlone(t *testing.T) {
	t.Parallel()
	target := storetest.Open(t)
	db := openAt(t, target)
	c := storetest.Opening("Y99901", "svc-a")
	create(t, db, c)

	withoutTask := accept(func(c *workflow.Change) { c.Resources, c.Owed = nil, nil })
	err := db.Update(t.Context(), storetest.App("svc-a"), c.Case.ID, withoutTask)
	if err != nil {
		t.Fatal(err)
	}

	if got := storetest.Query[int](t, target, `select task_version from caselink.cases`)[0]; got != 1 {
		t.Errorf("the case knows version %d of its Task, want 1", got)
	}
}
