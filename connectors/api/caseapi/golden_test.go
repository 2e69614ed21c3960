package caseapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/store/storetest"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/cases/casestest"
	"caselink.example/mapping/workflow"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds JSON that apps read against the file, white space apart.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, body, "", "  "); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// storeFull stores the full case as service-a's, with three events.
func storeFull(w *edgetest.World) (path string) {
	w.Helper()
	c := casestest.Full()
	opening := storetest.Opening(edgetest.PracticeA, edgetest.ServiceA)
	opening.Case, opening.Referral.ID, opening.Audit.Referral = c, c.Referral.ID, c.Referral.ID
	gp, app := storetest.GP(edgetest.PracticeA), storetest.App(edgetest.ServiceA)
	gp.Caller.RequestID, app.Caller.RequestID = "r-1", "r-2"
	if _, err := w.DB.Create(w.Context(), gp, opening); err != nil {
		w.Fatal(err)
	}
	for _, e := range []cases.Event{
		{
			Seq: 2, Kind: cases.EventOutcome, From: cases.Active, To: cases.Active,
			OutcomeID: c.Outcomes[0].ID, Actor: c.Outcomes[0].RecordedBy, OccurredAt: c.UpdatedAt,
		},
		{
			Seq: 3, Kind: cases.EventMoved, From: cases.Active, To: cases.Closed,
			Reason: c.StatusReason, Actor: cases.Actor{Name: "Ola Example"}, OccurredAt: c.StatusSince,
		},
	} {
		err := w.DB.Update(w.Context(), app, c.ID, func(cur workflow.Current) (workflow.Change, error) {
			audit := workflow.Audit{At: storetest.Noon, Action: "U", Service: edgetest.ServiceA}
			return workflow.Change{Referral: cur.Referral, Case: c, Event: e, Audit: audit}, nil
		})
		if err != nil {
			w.Fatal(err)
		}
	}
	return list + "/" + c.ID
}

func TestWireFormIsTheGolden(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := storeFull(w)
	for name, c := range map[string]struct{ client, path string }{
		"case":        {"app-trusted", path},
		"redacted":    {"app-a", path},
		"list":        {"app-trusted", list},
		"events":      {"app-a", path + "/events"},
		"instruments": {"app-a", "/api/v1/instruments"},
	} {
		golden(t, name, w.Do(c.client, "GET", c.path, "").Wants(http.StatusOK).Body)
	}
}

func TestWireFormOfAnOutcomeIsTheGolden(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	ids := 0
	w.Flow.Now = func() time.Time { return storetest.Noon }
	w.Flow.NewID = func() string { ids++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", ids) }

	a := w.Do("app-a", "POST", path+"/outcomes", `{"instrument":"ucla-3","point":"interim",
		"answers":{"companionship":1,"left-out":2,"isolated":3},"answeredAt":"2026-01-11T10:00:00+01:00",`+ola+`}`)

	golden(t, "outcome", a.Wants(http.StatusCreated).Body)
}
