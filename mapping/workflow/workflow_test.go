package workflow

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/caseview"
	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
	"caselink.example/mapping/outcome"
	"caselink.example/mapping/terminology"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is when everything happens.
var noon = time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC)

// ola is who acts.
var ola = cases.Actor{Name: "Ola Example"}

// town is a directory of one service and three practices.
type town struct{}

func (town) Practice(ods string) (Practice, bool) {
	p, ok := map[string]Practice{
		"Y99901": {ODS: "Y99901", Name: "Example Surgery", DefaultService: "svc-a", Destinations: []string{"gp", "copy"}},
		"Y99902": {ODS: "Y99902", Name: "Sample Surgery"},
		"Y99903": {ODS: "Y99903", Name: "Third Surgery", DefaultService: "closed-down"},
	}[ods]
	return p, ok
}

func (town) Service(id string) (Service, bool) {
	return Service{ID: id, Name: "Service " + strings.ToUpper(strings.TrimPrefix(id, "svc-"))}, id == "svc-a" || id == "svc-b"
}

func (d town) ServiceBy(id fhir.Identifier) (Service, bool) {
	s, ok := d.Service(id.Value)
	return s, ok && id.System == fhir.SystemService
}

// newFlow is a Flow whose clock stands and whose ids count.
func newFlow() *Flow {
	n := 0
	return &Flow{
		Meaning:   DefaultMeaning(),
		Directory: town{}, Base: "https://caselink.example/FHIR/R4", Now: func() time.Time { return noon },
		NewID: func() string { n++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }, Wake: func() {},
	}
}

func practice(ods string) fhir.Scope {
	return fhir.Scope{Role: fhir.RoleGP, Holder: ods, Caller: fhir.Caller{Client: "gp", RequestID: "r-1", CorrelationID: "c-1"}}
}

// ordinary is a referral that raises no question.
const ordinary = `{
	"resourceType": "ServiceRequest", "status": "active", "intent": "order", "priority": "urgent",
	"identifier": [{"system": "https://gp.example/Id/referral", "value": "R1"}],
	"code": {"coding": [{"system": "http://snomed.info/sct", "code": "871731000000106"}]},
	"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}},
	"requester": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "Y99901"}},
	"reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "267076002"}]}],
	"note": [{"text": "Lives alone."}]}`

// with is the ordinary referral with more members, other values of some, or, where a value
// is null, without them.
func with(t *testing.T, members string) []byte {
	t.Helper()
	var all map[string]any
	for _, text := range []string{ordinary, members} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
	}
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func incoming(body []byte) Incoming {
	return Incoming{Original: Original{MediaType: "application/fhir+json", Body: body}, Format: fhir.JSON}
}

// receive decides what the referral of the practice becomes.
func receive(t *testing.T, ods string, body []byte) Change {
	t.Helper()
	c, _, err := newFlow().Received(practice(ods), incoming(body))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// current is what is there after the Change.
func current(c Change) Current {
	task := fhir.Meta{}
	for _, v := range c.Resources {
		if v.Type == "Task" {
			task = v.Meta
		}
	}
	return Current{Referral: c.Referral, Case: c.Case, Task: task}
}

// golden holds the decision against the file, which is read by people too.
func golden(t *testing.T, name string, c Change) {
	t.Helper()
	resources := []any{}
	for _, r := range c.Resources {
		resources = append(resources, json.RawMessage(r.JSON))
	}
	e := c.Event
	event := struct {
		Seq        int
		Kind       cases.EventKind
		From, To   cases.State
		Reason     *caseview.Reason
		Actor      caseview.Actor
		OutcomeID  string
		OccurredAt time.Time
	}{e.Seq, e.Kind, e.From, e.To, (*caseview.Reason)(e.Reason), caseview.Actor(e.Actor), e.OutcomeID, e.OccurredAt}
	shown := map[string]any{
		"referral": c.Referral, "case": caseview.Of(c.Case), "event": event, "owed": c.Owed, "audit": c.Audit, "resources": resources,
	}
	if o := c.Opening; o != nil {
		shown["opening"] = map[string]any{
			"identities": o.Identities, "digest": fmt.Sprintf("%x", o.Digest[:4]),
			"mediaType": o.Original.MediaType, "bytes": len(o.Original.Body),
		}
	}
	got, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestReceivedIsOneChange(t *testing.T) {
	t.Parallel()
	golden(t, "received", receive(t, "Y99901", []byte(ordinary)))
}

func TestMovedIsOneChange(t *testing.T) {
	t.Parallel()
	received := receive(t, "Y99901", []byte(ordinary))

	c, err := newFlow().moved(current(received), 1, cases.Move{
		To: cases.Rejected, Reason: &cases.Reason{Code: "no-capacity", Text: "Full until May."},
		Actor: cases.Actor{Name: "Ola Example", Role: "link worker"},
	})
	if err != nil {
		t.Fatal(err)
	}

	golden(t, "moved", c)
}

// ons4 are the answers of an instrument that is never summed.
func ons4(t *testing.T, answer int) (outcome.Scored, Answers) {
	t.Helper()
	raw := json.RawMessage(fmt.Sprint(answer))
	a := Answers{
		Instrument: "ons4", Point: "baseline", Actor: ola,
		Answers: map[string]json.RawMessage{"life-satisfaction": raw, "worthwhile": raw, "happy-yesterday": raw, "anxious-yesterday": raw},
	}
	scored, err := DefaultMeaning().Outcomes.Score(a.Instrument, a.Point, a.Answers)
	if err != nil {
		t.Fatal(err)
	}
	return scored, a
}

func TestRecordedIsOneChange(t *testing.T) {
	t.Parallel()
	scored, answers := ons4(t, 7)

	c, _, err := newFlow().recorded(current(receive(t, "Y99901", []byte(ordinary))), scored, answers)
	if err != nil {
		t.Fatal(err)
	}

	golden(t, "recorded", c)
}

func TestCorrectionKeepsEveryNameOfTheRecord(t *testing.T) {
	t.Parallel()
	flow := newFlow()
	scored, answers := ons4(t, 7)
	first, before, err := flow.recorded(current(receive(t, "Y99901", []byte(ordinary))), scored, answers)
	if err != nil {
		t.Fatal(err)
	}
	scored, answers = ons4(t, 3)
	answers.Corrects = before.ID

	second, after, err := flow.recorded(current(first), scored, answers)
	if err != nil {
		t.Fatal(err)
	}

	if after.ID != before.ID || after.Version != 2 || len(second.Case.Outcomes) != 1 || second.Event.OutcomeID != before.ID {
		t.Errorf("the outcome is %s version %d of %d, the event is of %s",
			after.ID, after.Version, len(second.Case.Outcomes), second.Event.OutcomeID)
	}
	for i, v := range second.Resources {
		if v.ID != first.Resources[i].ID || v.Version != 2 || !strings.Contains(string(v.JSON), `"status":"corrected"`) {
			t.Errorf("Observation %d is %s version %d:\n%s", i, v.ID, v.Version, v.JSON)
		}
		if second.Owed[i].RequestID == first.Owed[i].RequestID {
			t.Errorf("Observation %d is sent under the X-Request-Id of what it corrects", i)
		}
	}
}

func TestMovedTaskNamesTheScores(t *testing.T) {
	t.Parallel()
	flow := newFlow()
	scored, answers := ons4(t, 7)
	recorded, _, err := flow.recorded(current(receive(t, "Y99901", []byte(ordinary))), scored, answers)
	if err != nil {
		t.Fatal(err)
	}
	cur := current(recorded)
	cur.Task = fhir.Meta{ID: "task-1", Version: 1}

	c, err := flow.moved(cur, 1, cases.Move{To: cases.Accepted, Actor: ola})
	if err != nil {
		t.Fatal(err)
	}

	task, err := r4.UnmarshalType(c.Resources[0].JSON, "Task")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for o := range task.Root.All("output") {
		named = append(named, o.Get("value", "reference").Text())
	}
	var want []string
	for _, v := range recorded.Resources {
		want = append(want, "Observation/"+v.ID)
	}
	if diff := cmp.Diff(want, named); diff != "" || c.Resources[0].Version != 2 || c.Event.Seq != 3 {
		t.Errorf("version %d of event %d; outputs (-want +got):\n%s", c.Resources[0].Version, c.Event.Seq, diff)
	}
}

func TestServiceIsTheOneThatIsMeant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ods        string
		performers []string // ids of services
		want       string
		status     cases.State
	}{
		"named":                      {"Y99901", []string{"svc-b"}, "svc-b", cases.Received},
		"the second is known":        {"Y99901", []string{"svc-x", "svc-b"}, "svc-b", cases.Received},
		"unknown: never the default": {"Y99901", []string{"svc-x"}, "", cases.NeedsInformation},
		"not named: the default":     {"Y99901", nil, "svc-a", cases.Received},
		"no default":                 {"Y99902", nil, "", cases.NeedsInformation},
		"a default that is gone":     {"Y99903", nil, "", cases.NeedsInformation},
	} {
		members := `{}`
		if c.performers != nil {
			named := `{"identifier":{"system":"` + fhir.SystemService + `","value":"`
			members = `{"performer":[` + named + strings.Join(c.performers, `"}},`+named) + `"}}]}`
		}
		change := receive(t, c.ods, with(t, members))

		service := ""
		if change.Case.Service != nil {
			service = change.Case.Service.ID
		}
		if service != c.want || change.Referral.Service != c.want || change.Audit.Service != c.want {
			t.Errorf("%s: service %q, of the referral %q, of the audit %q; want %q",
				name, service, change.Referral.Service, change.Audit.Service, c.want)
		}
		if change.Case.Status != c.status || change.Event.To != c.status {
			t.Errorf("%s: status %s, event %s; want %s", name, change.Case.Status, change.Event.To, c.status)
		}
		if asked := len(change.Case.Queries) > 0; asked != (c.want == "") {
			t.Errorf("%s: queries %v", name, change.Case.Queries)
		}
	}
}

func TestEachDestinationIsOwedEachResource(t *testing.T) {
	t.Parallel()
	received := receive(t, "Y99901", []byte(ordinary))
	scored, answers := ons4(t, 7)
	recorded, _, err := newFlow().recorded(current(received), scored, answers)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change Change
		want   int
	}{
		"a Task":                {received, 2},
		"four Observations":     {recorded, 8},
		"a practice that polls": {receive(t, "Y99902", []byte(ordinary)), 0},
	} {
		seen := map[string]bool{}
		for _, o := range c.change.Owed {
			seen[o.RequestID] = true
			if o.Parked != "" || o.EventID != cases.EventID(c.change.Referral.ID, c.change.Event.Seq) {
				t.Errorf("%s: owed %+v", name, o)
			}
		}
		if len(c.change.Owed) != c.want || len(seen) != c.want {
			t.Errorf("%s: %d owed under %d request ids, want %d", name, len(c.change.Owed), len(seen), c.want)
		}
	}
}

func TestWithoutANameForThePersonItWaits(t *testing.T) {
	t.Parallel()
	nobody := with(t, `{"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p","name":[{"family":"Example"}],
		"birthDate":"1970-01-01","telecom":[{"system":"phone","value":"07700 900001"}]}]}`)
	received := receive(t, "Y99901", nobody)
	scored, answers := ons4(t, 7)
	recorded, _, err := newFlow().recorded(current(received), scored, answers)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append(received.Owed, recorded.Owed...) {
		if o.Parked != noSubject {
			t.Errorf("%s is sent to %s though nobody is named", o.ResourceType, o.Destination)
		}
	}
	if len(received.Owed) != 2 {
		t.Errorf("%d owed, want 2 that wait", len(received.Owed))
	}
}

// consent is a contained Consent about the code.
func consent(code, provision string) string {
	return `{"supportingInfo":[{"reference":"#c"}],"contained":[{"resourceType":"Consent","id":"c","status":"active",
		"scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
		"category":[{"coding":[{"system":"https://caselink.example/fhir/CodeSystem/consent","code":"` + code + `"}]}],
		"patient":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}},
		"policyRule":{"text":"as agreed"},"provision":{"type":"` + provision + `"}}]}`
}

func TestNothingIsReadButByTheMeaningThatWasGiven(t *testing.T) {
	t.Parallel()
	none := Meaning{}
	_, faults := none.Check([]byte(ordinary), fhir.JSON)
	coded := with(t, `{"reasonCode":[{"coding":[{"system":"http://snomed.info/sct","code":"267076002"}]}]}`)
	mapped, _ := none.Map(coded, fhir.JSON, noon)
	_, err := none.Outcomes.Score("ons4", cases.Baseline, nil)

	if len(faults) != 1 || faults[0].Rule != "dom-6" { // the one rule of every resource that needs no table
		t.Errorf("without terms or rules a referral gets %v", faults)
	}
	if got := mapped.Case.Needs[0].Category; got != terminology.Unspecified {
		t.Errorf("without terms the need is %s", got)
	}
	if err == nil {
		t.Error("without instruments ONS4 is scored")
	}
}

func TestConsentDecidesWhatIsSaidToThePractice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		members string
		share   cases.ShareBack
		words   bool
	}{
		"not stated":     {`{}`, "not-stated", true},
		"all":            {consent("share-back", "permit"), "full", true},
		"coded only":     {consent("share-back-coded-only", "permit"), "coded-only", false},
		"nothing at all": {consent("share-back", "deny"), "none", true}, // delivery withholds it at the time of sending
	} {
		received := receive(t, "Y99901", with(t, c.members))
		moved, err := newFlow().moved(current(received), 1, cases.Move{
			To: cases.Rejected, Reason: &cases.Reason{Code: "no-capacity", Text: "Full until May."}, Actor: ola,
		})
		if err != nil {
			t.Fatal(err)
		}

		words := strings.Contains(string(moved.Resources[0].JSON), "Full until May.")
		if got := moved.Case.Consent.ToShareBack; got != c.share || words != c.words {
			t.Errorf("%s: share back %s, words %v; want %s, %v", name, got, words, c.share, c.words)
		}
		if withheld := c.share == cases.ShareNone; received.Withhold != withheld || moved.Withhold != withheld {
			t.Errorf("%s: withheld %v, then %v; want %v", name, received.Withhold, moved.Withhold, withheld)
		}
		if !strings.Contains(string(moved.Resources[0].JSON), `"code":"no-capacity"`) {
			t.Errorf("%s: the code of the reason is missing", name)
		}
	}
}

func TestIdentitiesOfAReferral(t *testing.T) {
	t.Parallel()
	own := fhir.Identifier{System: "s", Value: "1"}
	identifier := Identity{Kind: IdentityIdentifier, System: "s", Value: "1"}
	ifNone := func(header string) Incoming { return Incoming{IfNoneExist: header} }
	criteria := func(value string) []Identity { return []Identity{{Kind: IdentityCondition, Value: value}} }
	for name, c := range map[string]struct {
		ids  []fhir.Identifier
		in   Incoming
		want []Identity
		code fhir.Code
	}{
		"its identifiers": {
			ids: []fhir.Identifier{own, {Value: "2"}}, in: Incoming{NamedByID: true},
			want: []Identity{identifier, {Kind: IdentityIdentifier, Value: "2"}},
		},
		"If-None-Exist by an identifier": {in: ifNone("identifier=s|1"), want: []Identity{identifier}},
		"the same escaped":               {in: ifNone("?identifier=s%7C1"), want: []Identity{identifier}},
		"of its own identifier":          {ids: []fhir.Identifier{own}, in: ifNone("identifier=s|1"), want: []Identity{identifier}},
		"of another": {
			ids: []fhir.Identifier{own}, in: ifNone("identifier=s|2"),
			want: []Identity{identifier, {Kind: IdentityIdentifier, System: "s", Value: "2"}},
		},
		"other criteria, in any order":    {in: ifNone("subject=x&code=y"), want: criteria("code=y&subject=x")},
		"either of two":                   {in: ifNone("identifier=s|1,s|2"), want: criteria("identifier=s%7C1%2Cs%7C2")},
		"an identifier without a system":  {in: ifNone("identifier=|1"), want: []Identity{{Kind: IdentityIdentifier, Value: "1"}}},
		"an identifier of any system":     {in: ifNone("identifier=1"), want: criteria("identifier=1")},
		"X-Request-Id":                    {in: Incoming{NamedByID: true}, want: []Identity{{Kind: IdentityRequest, Value: "r-1"}}},
		"If-None-Exist over X-Request-Id": {in: Incoming{NamedByID: true, IfNoneExist: "identifier=s|1"}, want: []Identity{identifier}},
		"nothing":                         {code: fhir.IssueBusinessRule},
		"criteria that ask nothing":       {ids: []fhir.Identifier{own}, in: ifNone("identifier="), code: fhir.IssueInvalid},
		"criteria that cannot be read":    {in: ifNone("%zz"), code: fhir.IssueInvalid},
	} {
		got, err := identities(c.ids, c.in, practice("Y99901"))

		if c.code != "" && !fhir.Is(err, c.code) || c.code == "" && err != nil {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRefusedReferralIsToldEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ods  string
		body []byte
		want string
	}{
		"no identity and an old one": {
			"Y99901", with(t, `{"identifier":null,"status":"completed"}`),
			"business-rule at ServiceRequest.status, business-rule at ServiceRequest.identifier",
		},
		"another resource":    {"Y99901", []byte(`{"resourceType":"Basic","code":{"text":"x"}}`), "invalid at Basic"},
		"an unknown practice": {"Y99999", []byte(ordinary), "forbidden"},
	} {
		_, _, err := newFlow().Received(practice(c.ods), incoming(c.body))

		var told []string
		for _, e := range fhir.ErrorsOf(err) {
			text, _, _ := strings.Cut(e.Error(), ": ")
			told = append(told, text)
		}
		if got := strings.Join(told, ", "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestMoveOfAnotherVersionIsStale(t *testing.T) {
	t.Parallel()
	received := receive(t, "Y99901", []byte(ordinary))

	_, err := newFlow().moved(current(received), 2, cases.Move{To: cases.Accepted, Actor: ola})

	if !fhir.Is(err, fhir.IssueStale) {
		t.Errorf("%v, want stale", err)
	}
}

func TestMapIsWhatReceiveWouldMake(t *testing.T) {
	t.Parallel()
	received := receive(t, "Y99901", []byte(ordinary)).Case

	mapped, err := newFlow().Map(practice("Y99901"), []byte(ordinary), fhir.JSON)
	if err != nil {
		t.Fatal(err)
	}

	received.ID, received.Referral.ID = "", ""
	if diff := cmp.Diff(received, mapped.Case); diff != "" {
		t.Errorf("case (-received +mapped):\n%s", diff)
	}
	if len(mapped.Trace) < 8 {
		t.Errorf("the trace has %d steps", len(mapped.Trace))
	}
	if _, err := newFlow().Map(practice("Y99999"), []byte(ordinary), fhir.JSON); !fhir.Is(err, fhir.IssueForbidden) {
		t.Errorf("an unknown practice: %v", err)
	}
}

func TestTraceLeavesOutWhatTheServerAdds(t *testing.T) {
	t.Parallel()
	received := receive(t, "Y99901", with(t, `{"id":"mine","meta":{"versionId":"7","tag":[{"code":"x"}]}}`))

	steps, err := newFlow().Meaning.Trace(received.Resources[0].JSON)
	if err != nil {
		t.Fatal(err)
	}

	var paths []string
	for _, s := range steps {
		paths = append(paths, s.Path)
	}
	text := strings.Join(paths, " ") + " "
	for _, added := range []string{"ServiceRequest.id ", "versionId", "lastUpdated"} {
		if strings.Contains(text, added) {
			t.Errorf("the trace names %s: %s", added, text)
		}
	}
	if !strings.Contains(text, "meta") {
		t.Errorf("the trace leaves out the tag that was sent: %s", text)
	}
}

// TestIntakeHoldsOtherResourcesToFHIRAlone sends what is neither sound nor a referral: no
// rule of a referral is broken by it.
func TestIntakeHoldsOtherResourcesToFHIRAlone(t *testing.T) {
	t.Parallel()
	body := []byte(`{"resourceType": "Observation", "statuss": "final",
		"subject": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000001"}}}`)

	_, _, err := newFlow().Received(practice("Y99901"), incoming(body))

	if err == nil || fhir.Is(err, fhir.IssueUnacceptable) {
		t.Errorf("got %v, want the faults of an Observation alone", err)
	}
}
