package caseapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/caseapi"
	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/api/fhirapi"
	"caselink.example/connectors/store/storetest"
)

const (
	list   = "/api/v1/cases"
	absent = "00000000-0000-4000-8000-000000000000"
	ola    = `"actor":{"name":"Ola Example","role":"link worker"}`
)

func mount(w *edgetest.World) {
	(&caseapi.API{Flow: w.Flow, Cases: w.DB, Edge: w.Edge}).Mount(w.Engine)
	(&fhirapi.API{
		Flow: w.Flow, Resources: w.DB, Practices: w.Flow.Directory, Edge: w.Edge, Base: w.Flow.Base, Now: time.Now,
	}).Mount(w.Engine)
}

// refer sends a referral as gp-a, changed by the pairs of old and new, and returns its case.
func refer(w *edgetest.World, changes ...string) (path string) {
	w.Helper()
	r := edgetest.NewReferral(edgetest.PracticeA)
	a := w.Do("gp-a", "POST", "/FHIR/R4/ServiceRequest", strings.NewReplacer(changes...).Replace(string(r.JSON))).Wants(http.StatusCreated)
	ids := storetest.Query[string](w, w.Target, `select id::text from caselink.cases where referral = $1::uuid`, a.At("id"))
	return list + "/" + ids[0]
}

// move moves a case and ends the test when it is refused.
func move(w *edgetest.World, path, etag, to string) (etagAfter string) {
	w.Helper()
	body := fmt.Sprintf(`{"to":%q,%s}`, to, ola)
	return w.Do("app-a", "POST", path+"/transitions", body, "If-Match", etag).Wants(http.StatusOK).Header.Get("ETag")
}

func ids(a edgetest.Answer) (out []string) {
	all, _ := a.At("cases").([]any)
	for i := range all {
		out = append(out, list+"/"+a.At("cases", i, "id").(string))
	}
	return out
}

func TestCallerNeedsScopeAndService(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	for _, c := range []struct {
		client, method, path string
		want                 int
	}{
		{"", "GET", list, 401},
		{"", "GET", "/api/v1/openapi.json", 401},
		{"gp-a", "GET", list, 403},
		{"app-nobody", "GET", list, 403},
		{"app-reader", "POST", path + "/transitions", 403},
		{"app-reader", "POST", path + "/outcomes", 403},
		{"app-reader", "GET", path, 200},
		{"app-a", "PUT", path, 405},
		{"app-a", "GET", "/api/v1/people", 404},
	} {
		a := w.Do(c.client, c.method, c.path, "")

		if a.Status != c.want {
			t.Errorf("%s: %s %s: status %d, want %d", c.client, c.method, c.path, a.Status, c.want)
		}
		if c.want != 200 {
			a.Issues()
		}
	}
	if got := fmt.Sprint(w.Do("app-reader", "GET", path, "").At("moves")); got != "[]" {
		t.Errorf("who may not write may move a case to %s", got)
	}
}

func TestCaseSaysWhatALinkWorkerNeeds(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)

	a := w.Do("app-a", "GET", path, "").Wants(http.StatusOK)

	for name, got := range map[string][2]any{
		"status":   {a.At("status"), "received"},
		"moves":    {fmt.Sprint(a.At("moves")), "[needs-information accepted rejected cancelled entered-in-error]"},
		"practice": {a.At("referral", "practice"), edgetest.PracticeA},
		"outcomes": {fmt.Sprint(a.At("outcomes")), "[]"},
		"service":  {a.At("service", "id"), edgetest.ServiceA},
		"city":     {a.At("patient", "address", "city"), "Exampleton"},
		"ETag":     {a.Header.Get("ETag"), `W/"1"`},
		"no cache": {a.Header.Get("Cache-Control"), "no-store"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", name, got[0], got[1])
		}
	}
}

func TestAnotherServicesCaseIsAbsent(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	for _, c := range []struct{ method, under, body string }{
		{"GET", "", ""},
		{"GET", "/events", ""},
		{"GET", "/trace", ""},
		{"POST", "/transitions", `{"to":"accepted",` + ola + `}`},
		{"POST", "/outcomes", `{"instrument":"pam","point":"baseline","answers":{"score":1,"level":1},` + ola + `}`},
	} {
		same := []string{"If-Match", "1", "X-Request-Id", "same"}
		foreign := w.Do("app-b", c.method, path+c.under, c.body, same...).Wants(http.StatusNotFound)
		none := w.Do("app-b", c.method, list+"/"+absent+c.under, c.body, same...).Wants(http.StatusNotFound)
		noID := w.Do("app-b", c.method, list+"/no-id"+c.under, c.body, same...).Wants(http.StatusNotFound)

		if string(foreign.Body) != string(none.Body) || string(noID.Body) != string(none.Body) {
			t.Errorf("%s %s: another service's differs from none:\n%s\n%s\n%s", c.method, c.under, foreign.Body, none.Body, noID.Body)
		}
	}
	if found := ids(w.Do("app-b", "GET", list+"?service="+edgetest.ServiceA, "").Wants(http.StatusOK)); len(found) != 0 {
		t.Errorf("another service lists %v", found)
	}
}

func TestListIsNarrowed(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	lonely, housing := []string{"81877007", "267076002"}, []string{"267076002", "81877007"}
	for _, code := range []string{"160932005", "415510005", "73595000"} {
		lonely, housing = append(lonely, code, "267076002"), append(housing, code, "81877007")
	}
	first := refer(w, lonely...)
	second := refer(w, housing...)
	move(w, first, "1", "accepted")
	updated := w.Do("app-a", "GET", first, "").At("updatedAt").(string)

	for query, want := range map[string][]string{
		"":                               {second, first},
		"?status=accepted":               {first},
		"?status=closed":                 nil,
		"?need=housing":                  {second},
		"?need=loneliness-isolation":     {first},
		"?service=" + edgetest.ServiceA:  {second, first},
		"?changed-since=" + updated:      {first},
		"?need=housing&status=received":  {second},
		"?need=housing&status=cancelled": nil,
	} {
		if diff := cmp.Diff(want, ids(w.Do("app-a", "GET", list+query, "").Wants(http.StatusOK))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestPagesHoldEachCaseOnce(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	var want, got []string
	for range 5 {
		want = append(want, refer(w))
	}
	slices.Reverse(want)

	cursor, pages := "", 0
	for more := true; more; pages++ {
		a := w.Do("app-a", "GET", list+"?limit=2&cursor="+cursor, "").Wants(http.StatusOK)
		got = append(got, ids(a)...)
		cursor, more = a.At("next").(string)
		refer(w) // one that comes meanwhile moves no page
	}

	if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
}

func TestEveryFaultOfAListIsTold(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	for query, want := range map[string][]string{
		"?colour=blue": {"not-supported"},
		"?status=lost&need=love&limit=0&changed-since=monday": {
			"value at status", "value at need", "value at changed-since", "value at limit",
		},
		"?limit=201":             {"value at limit"},
		"?status=active&status=": {"invalid at status"},
		"?cursor=abc":            {"invalid at cursor"},
	} {
		a := w.Do("app-a", "GET", list+query, "").Wants(http.StatusBadRequest)

		if diff := cmp.Diff(want, a.Issues()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

func TestSensitiveContentIsForItsScopeAlone(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	abuse := `{"coding":[{"system":"https://caselink.example/fhir/CodeSystem/need","code":"domestic-abuse-safety"}]}`
	restricted := `"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`
	path := refer(w,
		`"reasonCode":[{`, `"reasonCode":[`+abuse+`,{`,
		`"meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-ServiceRequest"]}`, restricted)

	plain := w.Do("app-a", "GET", path, "").Wants(http.StatusOK)
	trusted := w.Do("app-trusted", "GET", path, "").Wants(http.StatusOK)

	for name, got := range map[string][2]any{
		"need, with the scope":        {trusted.At("needs", 0, "category"), "domestic-abuse-safety"},
		"address, with the scope":     {trusted.At("patient", "address", "city"), "Exampleton"},
		"words, with the scope":       {trusted.At("narrative") != nil, true},
		"need, without the scope":     {plain.At("needs", 0, "category"), "unspecified"},
		"mark, without the scope":     {plain.At("needs", 0, "sensitive"), true},
		"address, without the scope":  {plain.At("patient", "address", "withheld"), true},
		"way to ring, in either case": {plain.At("patient", "phones") != nil, true},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", name, got[0], got[1])
		}
	}
	for _, hidden := range []string{"domestic", "Exampleton", "narrative"} {
		if strings.Contains(string(plain.Body), hidden) {
			t.Errorf("without the scope the case tells of %q", hidden)
		}
	}
	for client, want := range map[string]int{"app-a": 0, "app-trusted": 1} {
		if found := ids(w.Do(client, "GET", list+"?need=domestic-abuse-safety", "").Wants(http.StatusOK)); len(found) != want {
			t.Errorf("%s finds %d cases by a sensitive need, want %d", client, len(found), want)
		}
		if found := ids(w.Do(client, "GET", list, "").Wants(http.StatusOK)); len(found) != 1 {
			t.Errorf("%s lists %d cases, want the one: nobody is forgotten", client, len(found))
		}
	}
}

func TestMoveIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	accept := `{"to":"accepted","reason":{"text":"Rang her"},` + ola + `}`

	moved := w.Do("app-a", "POST", path+"/transitions", accept, "If-Match", `W/"1"`).Wants(http.StatusOK)
	stale := w.Do("app-a", "POST", path+"/transitions", accept, "If-Match", `"1"`).Wants(http.StatusPreconditionFailed)

	if moved.At("status") != "accepted" || moved.Header.Get("ETag") != `W/"2"` || moved.At("statusReason", "text") != "Rang her" {
		t.Errorf("moved to %s", moved.Body)
	}
	if !stale.Says("version 2") {
		t.Errorf("a stale move is told %s", stale.Body)
	}
}

func TestRefusedMoveSaysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	for name, c := range map[string]struct {
		body, match string
		want        string
		says        string
	}{
		"no If-Match":       {`{"to":"accepted",` + ola + `}`, "", "428 [required]", "If-Match with the ETag"},
		"another version":   {`{"to":"accepted",` + ola + `}`, `W/"2"`, "412 [conflict]", "version 1"},
		"no version at all": {`{"to":"accepted",` + ola + `}`, "*", "412 [conflict]", "read the case again"},
		"an illegal move": {
			`{"to":"closed",` + ola + `}`, "1",
			"409 [conflict at to]", "needs-information, accepted, rejected, cancelled, entered-in-error",
		},
		"nobody":              {`{"to":"accepted"}`, "1", "400 [required at actor.name]", "name"},
		"an unknown state":    {`{"to":"done",` + ola + `}`, "1", "400 [value at to]", "the states are received"},
		"rejected for naught": {`{"to":"rejected",` + ola + `}`, "1", "400 [required at reason]", "no-capacity"},
		"an unknown reason": {
			`{"to":"rejected","reason":{"code":"bored"},` + ola + `}`, "1", "400 [value at reason.code]", "no-capacity",
		},
		"several faults": {`{"to":"done"}`, "1", "400 [required at actor.name value at to]", "states are"},
	} {
		var headers []string
		if c.match != "" {
			headers = []string{"If-Match", c.match}
		}

		a := w.Do("app-a", "POST", path+"/transitions", c.body, headers...)

		if got := fmt.Sprint(a.Status, " ", a.Issues()); got != c.want || !a.Says(c.says) {
			t.Errorf("%s: %s, want %s that says %q\n%s", name, got, c.want, c.says, a.Body)
		}
	}
	if got := w.Do("app-a", "GET", path, "").Header.Get("ETag"); got != `W/"1"` {
		t.Errorf("a refused move changed the case: %s", got)
	}
}

func TestEndedCaseMovesNoMore(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	move(w, path, "1", "cancelled")

	a := w.Do("app-a", "POST", path+"/transitions", `{"to":"received",`+ola+`}`, "If-Match", "2").Wants(http.StatusConflict)

	if !a.Says("moves no more") || fmt.Sprint(w.Do("app-a", "GET", path, "").At("moves")) != "[]" {
		t.Errorf("%s", a.Body)
	}
}

func TestUserOfTheTokenIsTheActor(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	accept := `{"to":"accepted","actor":{"name":"Somebody Else"}}`
	w.Do("app-person", "POST", path+"/transitions", accept, "If-Match", "1").Wants(http.StatusOK)

	events := w.Do("app-a", "GET", path+"/events", "")

	want := map[string]any{"id": "user-7", "name": "Ola Example", "role": "link worker", "organisation": "Y99903"}
	if diff := cmp.Diff(any(want), events.At("events", 1, "actor")); diff != "" {
		t.Errorf("actor (-want +got):\n%s", diff)
	}
}

func TestEventsTellTheWholeStory(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	move(w, path, "1", "accepted")
	o := w.Do("app-a", "POST", path+"/outcomes", ons4("baseline", 7), "X-Request-Id", "o-1").Wants(http.StatusCreated)
	move(w, path, "2", "active")

	a := w.Do("app-a", "GET", path+"/events", "").Wants(http.StatusOK)

	var story []string
	all, _ := a.At("events").([]any)
	for i := range all {
		story = append(story, fmt.Sprint(a.At("events", i, "seq"), " ", a.At("events", i, "kind"), " ", a.At("events", i, "to")))
	}
	want := []string{"1 received received", "2 moved accepted", "3 outcome-recorded accepted", "4 moved active"}
	if diff := cmp.Diff(want, story); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if a.At("events", 2, "outcome") != o.At("id") || a.At("events", 2, "requestId") != "o-1" {
		t.Errorf("the outcome's event is %v", a.At("events", 2))
	}
}

// ons4 is a request with all four answers the same.
func ons4(point string, answer int) string {
	return fmt.Sprintf(`{"instrument":"ons4","point":%q,"answers":{
		"life-satisfaction":%[2]d,"worthwhile":%[2]d,"happy-yesterday":%[2]d,"anxious-yesterday":%[2]d
	},%[3]s}`, point, answer, ola)
}

func TestEveryFaultOfAnOutcomeIsTold(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	future := time.Now().Add(time.Hour).Format(time.RFC3339)
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"answers": {
			`{"instrument":"ons4","point":"soon","answeredAt":"` + future + `",
				"answers":{"life-satisfaction":11,"worthwhile":"7","happy-yesterday":7.5,"mood":1}}`,
			[]string{
				"value at point", "value at answers.life-satisfaction", "value at answers.worthwhile", "value at answers.happy-yesterday",
				"required at answers.anxious-yesterday", "value at answers", "value at answeredAt", "required at actor.name",
			},
		},
		"before anybody's time": {
			strings.Replace(ons4("baseline", 1), `{`, `{"answeredAt":"0000-01-01T00:00:00Z",`, 1), []string{"value at answeredAt"},
		},
		"the first moment that Go knows": {
			strings.Replace(ons4("baseline", 1), `{`, `{"answeredAt":"0001-01-01T00:00:00Z",`, 1), []string{"value at answeredAt"},
		},
		"a year too early": {
			strings.Replace(ons4("baseline", 1), `{`, `{"answeredAt":"1899-12-31T23:59:59Z",`, 1), []string{"value at answeredAt"},
		},
		"an instrument": {`{"instrument":"ons5","point":"baseline","answers":{},` + ola + `}`, []string{"value at instrument"}},
		"a correction of nought": {
			strings.Replace(ons4("baseline", 1), `{`, `{"corrects":"`+absent+`",`, 1), []string{"value at corrects"},
		},
	} {
		a := w.Do("app-a", "POST", path+"/outcomes", c.body).Wants(http.StatusBadRequest)

		if diff := cmp.Diff(c.want, a.Issues()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCorrectionIsANewVersionOfTheSameRecord(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)
	first := w.Do("app-a", "POST", path+"/outcomes", ons4("baseline", 7)).Wants(http.StatusCreated)
	corrects := `{"corrects":"` + first.At("id").(string) + `",`

	second := w.Do("app-a", "POST", path+"/outcomes", strings.Replace(ons4("baseline", 3), `{`, corrects, 1)).Wants(http.StatusCreated)
	pam := corrects + `"instrument":"pam","point":"final","answers":{"score":51.5,"level":2},` + ola + `}`
	other := w.Do("app-a", "POST", path+"/outcomes", pam).Wants(http.StatusBadRequest)

	if second.At("id") != first.At("id") || second.At("version") != 2.0 || !other.Says("ons4") {
		t.Errorf("first %s\nsecond %s\nother %s", first.Body, second.Body, other.Body)
	}
	outcomes, _ := w.Do("app-a", "GET", path, "").At("outcomes").([]any)
	if len(outcomes) != 1 || outcomes[0].(map[string]any)["answers"].(map[string]any)["worthwhile"] != 3.0 {
		t.Errorf("the case has %v", outcomes)
	}
	sent := storetest.Query[string](t, w.Target, `select concat_ws(' ', convert_from(content, 'utf8')::jsonb ->> 'status', version)
		from caselink.versions where type = 'Observation' order by id, version`)
	if diff := cmp.Diff(slices.Repeat([]string{"final 1", "corrected 2"}, 4), sent); diff != "" {
		t.Errorf("what the practice is owed (-want +got):\n%s", diff)
	}
}

func TestInstrumentsAreShown(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	all := w.Do("app-a", "GET", "/api/v1/instruments", "").Wants(http.StatusOK)
	one := w.Do("app-a", "GET", "/api/v1/instruments/ons4", "").Wants(http.StatusOK)

	if all.At("instruments", 0, "id") != "ons4" {
		t.Errorf("the first of all is another:\n%s", all.Body)
	}
	if one.At("items", 3, "code") != "anxious-yesterday" || one.At("items", 3, "better") != "decrease" {
		t.Errorf("the fourth item of ONS4 is another:\n%s", one.Body)
	}
	w.Do("app-a", "GET", "/api/v1/instruments/ons5", "").Wants(http.StatusNotFound)
}

func TestBodyIsReadStrictly(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w) + "/transitions"
	for name, c := range map[string]struct{ body, want string }{
		"empty":             {" ", "400 [structure]"},
		"half":              {`{"to":"accepted"`, "400 [structure]"},
		"trailing":          {`{"to":"accepted",` + ola + `} {}`, "400 [structure]"},
		"not UTF-8":         {"{\"to\":\"\xff\"}", "400 [structure]"},
		"a list":            {`[]`, "400 [value]"},
		"null":              {`null`, "400 [value]"},
		"an unknown member": {`{"to":"accepted","colour":"blue",` + ola + `}`, "400 [structure]"},
		"another case":      {`{"To":"accepted",` + ola + `}`, "400 [structure]"},
		"one deeper":        {`{"to":"accepted","actor":{"name":"Ola","shoe":9}}`, "400 [structure at actor]"},
		"twice":             {`{"to":"accepted","to":"rejected",` + ola + `}`, "400 [structure]"},
		"another type": {
			`{"to":7,"actor":{"name":["Ola"]},"reason":"tired"}`, "400 [value at to value at actor.name value at reason]",
		},
	} {
		a := w.Do("app-a", "POST", path, c.body, "If-Match", "1")

		if got := fmt.Sprint(a.Status, " ", a.Issues()); got != c.want {
			t.Errorf("%s: %s, want %s\n%s", name, got, c.want, a.Body)
		}
		if strings.Contains(string(a.Body), "colour") {
			t.Errorf("%s: the refusal repeats what was sent", name)
		}
	}
	w.Do("app-a", "POST", path, `{"to":"accepted"}`, "If-Match", "1", "Content-Type", "text/plain").Wants(http.StatusUnsupportedMediaType)
	w.Do("app-a", "POST", path, `"`+strings.Repeat("a", caseapi.MaxBody)+`"`, "If-Match", "1").Wants(http.StatusRequestEntityTooLarge)
	outcomes := strings.TrimSuffix(path, "transitions") + "outcomes"
	answered := w.Do("app-a", "POST", outcomes, `{"answers":{"a":1,"a":2},"answeredAt":"monday"}`)
	if fmt.Sprint(answered.Issues()) != "[structure at answers value at answeredAt]" {
		t.Errorf("an outcome with an answer given twice: %s", answered.Body)
	}
	w.Do("app-a", "POST", path, `{"to":"accepted","reason":null,`+ola+`}`, "If-Match", "1").Wants(http.StatusOK)
}

func TestTraceAccountsForTheReferralAsItCame(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	path := refer(w)

	a := w.Do("app-a", "GET", path+"/trace", "").Wants(http.StatusOK)

	became := map[string]string{}
	steps, _ := a.At("trace").([]any)
	for i := range steps {
		became[a.At("trace", i, "path").(string)] = fmt.Sprint(a.At("trace", i, "action"), " ", a.At("trace", i, "to"))
	}
	for element, want := range map[string]string{
		"ServiceRequest.priority":               "mapped priority",
		"ServiceRequest.note[0].text":           "mapped narrative",
		"ServiceRequest.contained[0].birthDate": "mapped patient.birthDate",
		"ServiceRequest.patientInstruction":     "mapped instructions",
		"ServiceRequest.meta.profile[0]":        "kept <nil>",
		"ServiceRequest.id":                     "",
		"ServiceRequest.meta.versionId":         "",
		"ServiceRequest.meta.lastUpdated":       "",
	} {
		if became[element] != want && became[strings.TrimSuffix(element, ".text")] != want {
			t.Errorf("%s: %q, want %q", element, became[element], want)
		}
	}
	audit := storetest.Query[string](t, w.Target, `select concat_ws(' ', action, resource_type, service, client)
		from caselink.audit where role = 'app'`)
	if diff := cmp.Diff([]string{"R Case service-a app-a"}, audit); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestDatabaseThatIsGoneIs503(t *testing.T) {
	t.Parallel()
	w := edgetest.WithoutDatabase(t, mount)
	for _, c := range []struct{ method, path, body string }{
		{"GET", list, ""},
		{"GET", list + "/" + absent, ""},
		{"GET", list + "/" + absent + "/events", ""},
		{"GET", list + "/" + absent + "/trace", ""},
		{"POST", list + "/" + absent + "/transitions", `{"to":"accepted",` + ola + `}`},
		{"POST", list + "/" + absent + "/outcomes", ons4("final", 1)},
	} {
		a := w.Do("app-a", c.method, c.path, c.body, "If-Match", "1")

		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: status %d, Retry-After %q\n%s", c.method, c.path, a.Status, a.Header.Get("Retry-After"), a.Body)
		}
	}
}

func TestEveryRouteNeedsAToken(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, func(w *edgetest.World) { (&caseapi.API{Flow: w.Flow, Cases: w.DB, Edge: w.Edge}).Mount(w.Engine) })
	for _, route := range w.Engine.Routes() {
		w.Do("", route.Method, strings.ReplaceAll(route.Path, ":id", absent), "").Wants(http.StatusUnauthorized)
	}
}
