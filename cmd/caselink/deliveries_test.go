package main

import (
	"encoding/json"
	"strings"
	"testing"

	"caselink.example/connectors/store"
	"caselink.example/connectors/store/ledger"
	"caselink.example/connectors/store/storetest"
	"caselink.example/mapping/workflow"
)

// withLedger is a configuration whose database owes one Task of a referral.
func withLedger(t *testing.T) (config string, target storetest.Target, owed workflow.Change) {
	t.Helper()
	target = storetest.Open(t)
	db, err := store.Open(t.Context(), store.Config{URL: target.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	text := "public_url: https://caselink.example\ndatabase: {url: '" + target.URL + "'}\n" +
		"issuers: [{url: 'https://issuer.example', audience: caselink}]\n"
	return file(t, "caselink.yaml", []byte(text)), target, storetest.Referral(t, db, "Y99901", "svc-a")
}

func TestOperatorParksAndReplays(t *testing.T) {
	t.Parallel()
	config, target, c := withLedger(t)
	id := c.Referral.ID
	for _, step := range []struct {
		args []string
		says string
	}{
		{[]string{"list"}, "owed   Y99901       " + id + "  1/1   "},
		{[]string{"park", id, "--as", "Sam Example"}, "1 parked"},
		{[]string{"list", "--state", "parked"}, "parked by an operator"},
		{[]string{"show", id}, "Task/" + c.Resources[1].ID + "/_history/1"},
		{[]string{"replay", "--destination", "Y99901", "--as", "Sam Example"}, "1 replayed"},
		{[]string{"list", "--destination", "Y99901", "--limit", "1"}, "There may be more"},
	} {
		code, out, errOut := runHere(t, append([]string{"deliveries", "--config", config}, step.args...)...)

		if code != exitOK || !strings.Contains(out, step.says) {
			t.Errorf("%v: exit code %d, want %q in\n%s%s", step.args, code, step.says, out, errOut)
		}
	}
	who := storetest.Query[string](t, target, `select user_name from caselink.audit where role = 'auditor'`)
	if strings.Join(who, ", ") != "Sam Example, Sam Example" {
		t.Errorf("the audit names %q", who)
	}
}

func TestDeliveriesAreJSONForPrograms(t *testing.T) {
	t.Parallel()
	config, _, c := withLedger(t)

	_, list, _ := runHere(t, "deliveries", "list", "--json", "--config", config)
	_, show, _ := runHere(t, "deliveries", "show", c.Referral.ID, "--json", "--config", config)

	var entries []ledger.Entry
	var shown struct {
		Items    []ledger.Entry
		Attempts []ledger.Tried
	}
	if err := json.Unmarshal([]byte(list), &entries); err != nil || len(entries) != 1 || entries[0].RequestID != c.Owed[0].RequestID {
		t.Errorf("%v\n%s", err, list)
	}
	if err := json.Unmarshal([]byte(show), &shown); err != nil || len(shown.Items) != 1 || shown.Attempts == nil {
		t.Errorf("%v\n%s", err, show)
	}
}

func TestDeliveriesSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	config, _, c := withLedger(t)
	for _, test := range []struct {
		args []string
		want exitCode
		says string
	}{
		{[]string{"replay", c.Referral.ID, "--as", "Sam Example"}, exitFault, "nothing in the ledger matches"},
		{[]string{"show", "R1"}, exitFault, "nothing in the ledger matches"},
		{[]string{"list", "--state", "lost"}, exitFault, "state must be one of owed"},
		{[]string{"replay", c.Referral.ID}, exitUsage, "Try: caselink deliveries --help"},
		{[]string{"replay", "--as", "Sam Example"}, exitUsage, "Try: "},
		{[]string{"show"}, exitUsage, "Try: "},
		{[]string{"list", c.Referral.ID}, exitUsage, "Try: "},
		{[]string{"drop", c.Referral.ID}, exitUsage, "Try: "},
		{nil, exitUsage, "Try: "},
	} {
		code, out, errOut := runHere(t, append([]string{"deliveries", "--config", config}, test.args...)...)

		if code != test.want || !strings.Contains(errOut, test.says) {
			t.Errorf("%v: exit code %d, want %d; %s%s", test.args, code, test.want, out, errOut)
		}
	}
}
