package fhirapi_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/simulator"
	"caselink.example/connectors/store/storetest"
	"caselink.example/fhir/r4"
	"caselink.example/mapping/cases"
)

// column reads one column of the database.
func column(w *edgetest.World, sql string) []string { return storetest.Query[string](w, w.Target, sql) }

// close ends the case of the only referral of a world.
func closeCase(w *edgetest.World) {
	w.Helper()
	id, version := casesOf(w)[0], 1
	for _, to := range []cases.State{cases.Accepted, cases.Closed} {
		move := cases.Move{To: to, Actor: cases.Actor{Name: "Ola Example"}}
		if _, err := w.Flow.Transition(w.Context(), storetest.App(edgetest.ServiceA), id, version, move); err != nil {
			w.Fatal(err)
		}
		version++
	}
}

func TestCreatedReferralSaysWhereItIs(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r := edgetest.NewReferral(edgetest.PracticeA)

	a := w.Do("gp-a", "POST", requests, string(r.JSON)).Wants(http.StatusCreated)

	id, _ := a.At("id").(string)
	if got, want := a.Header.Get("Location"), w.URL+requests+"/"+id+"/_history/1"; got != want {
		t.Errorf("Location %s, want %s", got, want)
	}
	for name, want := range map[string]string{
		"ETag": `W/"1"`, "Content-Type": "application/fhir+json; charset=utf-8", "Cache-Control": "no-store",
	} {
		if a.Header.Get(name) != want {
			t.Errorf("headers %v", a.Header)
		}
	}
	modified, err := time.Parse(http.TimeFormat, a.Header.Get("Last-Modified"))
	updated, _ := time.Parse(time.RFC3339, a.At("meta", "lastUpdated").(string))
	if err != nil || !modified.Equal(updated.Truncate(time.Second)) {
		t.Errorf("Last-Modified %v is not meta.lastUpdated %v", modified, updated)
	}
	if r4.Digest(a.Body) != r4.Digest(r.JSON) {
		t.Errorf("what is kept is not what was sent:\n%s", a.Body)
	}
	if found, err := url.Parse(a.Header.Get("Location")); err != nil || string(w.Do("gp-a", "GET", found.Path, "").Body) != string(a.Body) {
		t.Errorf("the Location does not lead to the referral: %v", err)
	}
}

func TestPreferSaysWhatComesBack(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	for prefer, want := range map[string]string{
		"":                                     "ServiceRequest",
		"return=representation":                "ServiceRequest",
		"return=minimal":                       "",
		"return=OperationOutcome":              "OperationOutcome",
		`respond-async, Return="minimal"; x=y`: "",
		"return=everything":                    "ServiceRequest",
	} {
		r := edgetest.NewReferral(edgetest.PracticeA)
		first := w.Do("gp-a", "POST", requests, string(r.JSON), "Prefer", prefer).Wants(http.StatusCreated)
		again := w.Do("gp-a", "POST", requests, string(r.JSON), "Prefer", prefer).Wants(http.StatusOK)

		for _, a := range []edgetest.Answer{first, again} {
			if got, _ := a.At("resourceType").(string); got != want || a.Header.Get("Location") == "" || a.Header.Get("ETag") != `W/"1"` {
				t.Errorf("Prefer %q: %q comes back, want %q; headers %v", prefer, got, want, a.Header)
			}
		}
	}
}

func TestEqualReferralIsTheSameForEver(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r, id := w.Refer("gp-a")
	var spelled map[string]any
	if err := json.Unmarshal(r.JSON, &spelled); err != nil {
		t.Fatal(err)
	}
	other, err := json.MarshalIndent(spelled, "", "  ") // members in another order
	if err != nil {
		t.Fatal(err)
	}
	for name, when := range map[string]func(){"at once": func() {}, "after its end": func() { closeCase(w) }} {
		when()
		for _, body := range []string{string(r.JSON), string(other)} {
			a := w.Do("gp-a", "POST", requests, body).Wants(http.StatusOK)

			if a.At("id") != id || a.Header.Get("Location") != w.URL+requests+"/"+id+"/_history/1" {
				t.Errorf("%s: another referral: %s", name, a.Body)
			}
		}
	}
	if n := len(casesOf(w)); n != 1 {
		t.Errorf("%d cases, want 1", n)
	}
}

func TestOtherContentUnderOneIdentityIs409(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r, id := w.Refer("gp-a")
	other := strings.Replace(string(r.JSON), `"priority":"routine"`, `"priority":"urgent"`, 1)

	open := w.Do("gp-a", "POST", requests, other).Wants(http.StatusConflict)
	closeCase(w)
	ended := w.Do("gp-a", "POST", requests, other).Wants(http.StatusConflict)

	for _, a := range []edgetest.Answer{open, ended} {
		if diff := cmp.Diff([]string{"duplicate at ServiceRequest.identifier"}, a.Issues()); diff != "" {
			t.Errorf("issues (-want +got):\n%s", diff)
		}
		if got := a.Header.Get("Location"); got != w.URL+requests+"/"+id {
			t.Errorf("Location %q", got)
		}
	}
	if !open.Says("PUT") || !ended.Says("replaces") {
		t.Errorf("no advice:\n%s\n%s", open.Body, ended.Body)
	}
}

func TestIdentifiersOfTwoReferralsAre409(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	one, _ := w.Refer("gp-a")
	two, _ := w.Refer("gp-a")
	identifier := func(r simulator.Sample) string {
		return `{"system":"https://gp.example/Id/referral","value":"` + r.Identifier + `"}`
	}
	both := strings.Replace(string(one.JSON), `"identifier":[`+identifier(one)+`]`,
		`"identifier":[`+identifier(one)+`,`+identifier(two)+`]`, 1)

	a := w.Do("gp-a", "POST", requests, both).Wants(http.StatusConflict)

	if !a.Says("2 different referrals") {
		t.Errorf("%s", a.Body)
	}
}

func TestPracticesShareNoIdentity(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r, id := w.Refer("gp-a")

	a := w.Do("gp-b", "POST", requests, string(r.JSON)).Wants(http.StatusCreated)

	if a.At("id") == id {
		t.Error("a practice was given another's referral")
	}
}

// nameless is a referral without an identifier of its own.
func nameless() string {
	r := edgetest.NewReferral(edgetest.PracticeA)
	return strings.Replace(string(r.JSON), `"identifier":[{"system":"https://gp.example/Id/referral","value":"`+r.Identifier+`"}],`, "", 1)
}

func TestReferralWithoutIdentityIs422(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	a := w.Do("gp-a", "POST", requests, nameless()).Wants(http.StatusUnprocessableEntity)

	if !a.Says("add ServiceRequest.identifier, or send If-None-Exist or X-Request-Id") {
		t.Errorf("%s", a.Body)
	}
}

func TestIfNoneExistNamesAReferral(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	body := nameless()
	first := w.Do("gp-a", "POST", requests, body, "If-None-Exist", "identifier=https://gp.example/Id|7").Wants(http.StatusCreated)

	again := w.Do("gp-a", "POST", requests, body, "If-None-Exist", "?identifier=https%3A%2F%2Fgp.example%2FId%7C7").Wants(http.StatusOK)
	other := w.Do("gp-a", "POST", requests, nameless(), "If-None-Exist", "identifier=https://gp.example/Id|7")
	withIdentifier := strings.Replace(body, `"status"`, `"identifier":[{"system":"https://gp.example/Id","value":"7"}],"status"`, 1)
	named := w.Do("gp-a", "POST", requests, withIdentifier)

	if again.At("id") != first.At("id") || other.Status != http.StatusConflict || named.Status != http.StatusConflict {
		t.Errorf("again %v, other content %d, the identifier in the resource %d", again.At("id"), other.Status, named.Status)
	}
	for _, bad := range []string{"?", "identifier=", "%zz"} {
		if a := w.Do("gp-a", "POST", requests, body, "If-None-Exist", bad); a.Status != http.StatusBadRequest {
			t.Errorf("If-None-Exist %q: status %d, want 400", bad, a.Status)
		}
	}
}

func TestRequestIDNamesAReferralThatHasNoOtherName(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	body := nameless()
	first := w.Do("gp-a", "POST", requests, body, "X-Request-Id", "r-7").Wants(http.StatusCreated)

	again := w.Do("gp-a", "POST", requests, body, "X-Request-Id", "r-7").Wants(http.StatusOK)
	another := w.Do("gp-a", "POST", requests, body, "X-Request-Id", "r-8").Wants(http.StatusCreated)

	if again.At("id") != first.At("id") || another.At("id") == first.At("id") {
		t.Errorf("first %v, again %v, another %v", first.At("id"), again.At("id"), another.At("id"))
	}
}

func TestEveryVersionOfTheTaskCanBeRead(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")
	closeCase(w)
	task := "/FHIR/R4/Task/" + column(w, `select task::text from caselink.cases`)[0]

	var statuses []any
	for _, v := range []string{"1", "2", "3"} {
		a := w.Do("gp-a", "GET", task+"/_history/"+v, "").Wants(http.StatusOK)
		statuses = append(statuses, a.At("status"))
		if a.Header.Get("ETag") != `W/"`+v+`"` || a.At("meta", "versionId") != v {
			t.Errorf("version %s has ETag %s and meta %v", v, a.Header.Get("ETag"), a.At("meta"))
		}
	}
	latest := w.Do("gp-a", "GET", task, "").Wants(http.StatusOK)

	if diff := cmp.Diff([]any{"requested", "accepted", "completed"}, statuses); diff != "" || latest.At("status") != "completed" {
		t.Errorf("statuses (-want +got):\n%s latest %v", diff, latest.At("status"))
	}
	for _, v := range []string{"0", "4", "-1", "x", "99999999999999999999", "4294967297"} {
		w.Do("gp-a", "GET", task+"/_history/"+v, "").Wants(http.StatusNotFound)
	}
	w.Do("gp-a", "GET", "/FHIR/R4/Task/"+id, "").Wants(http.StatusNotFound)
	if got := latest.At("focus", "reference"); got != w.Flow.Base+"/ServiceRequest/"+id {
		t.Errorf("the Task's focus is %v", got)
	}
}

func TestClientThatHasTheVersionGets304(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")
	for match, want := range map[string]int{`W/"1"`: 304, `W/"7", W/"1"`: 304, "*": 304, `W/"2"`: 200, "": 200} {
		a := w.Do("gp-a", "GET", requests+"/"+id, "", "If-None-Match", match)

		if a.Status != want || a.Header.Get("ETag") != `W/"1"` || want == 304 && len(a.Body) > 0 {
			t.Errorf("If-None-Match %s: status %d, want %d", match, a.Status, want)
		}
	}
}

func TestXMLAndJSONAreOneReferral(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r := edgetest.NewReferral(edgetest.PracticeA)
	xml, err := r4.MarshalXML(r.JSON)
	if err != nil {
		t.Fatal(err)
	}

	inXML := w.Do("gp-a", "POST", requests, string(xml), "Content-Type", "application/fhir+xml").Wants(http.StatusCreated)
	inJSON := w.Do("gp-a", "POST", requests, string(r.JSON)).Wants(http.StatusOK)

	id, _ := inXML.At("id").(string)
	if inJSON.At("id") != id {
		t.Errorf("XML became %s, JSON %v", id, inJSON.At("id"))
	}
	for name, read := range map[string][]string{
		"Accept":            {"", "Accept", "application/fhir+xml"},
		"_format":           {"?_format=xml"},
		"an unescaped plus": {"?_format=application/fhir+xml"},
	} {
		a := w.Do("gp-a", "GET", requests+"/"+id+read[0], "", read[1:]...).Wants(http.StatusOK)
		back, faults := r4.UnmarshalXML(a.Body)
		media := a.Header.Get("Content-Type")
		if faults != nil || media != "application/fhir+xml; charset=utf-8" || r4.Digest(back.JSON) != r4.Digest(r.JSON) {
			t.Errorf("by %s: %s, %v\n%s", name, media, faults, a.Body)
		}
	}
	asJSON := w.Do("gp-a", "GET", requests+"/"+id+"?_format=json", "", "Accept", "application/fhir+xml").Wants(http.StatusOK)
	if asJSON.At("id") != id {
		t.Error("_format does not win over Accept")
	}
}

func TestAcceptIsWeighed(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	for accept, want := range map[string]string{
		"application/fhir+xml;q=0.5, application/fhir+json": "application/fhir+json",
		"application/json;q=0.2, application/xml;q=0.30":    "application/fhir+xml",
		"text/html, application/xml;q=.9, */*;q=0.8":        "application/fhir+xml",
		"text/html, */*;q=0.1":                              "application/fhir+json",
		"application/fhir+xml;q=1.0, application/json;q=1":  "application/fhir+xml",
		"application/fhir+json; fhirVersion=4.0":            "application/fhir+json",
		"application/fhir+xml;q=0, application/fhir+json":   "application/fhir+json",
	} {
		a := w.Do("", "GET", "/FHIR/R4/metadata", "", "Accept", accept).Wants(http.StatusOK)

		if got := a.Header.Get("Content-Type"); got != want+"; charset=utf-8" {
			t.Errorf("Accept %s: %s, want %s", accept, got, want)
		}
	}
	for _, accept := range []string{
		"application/fhir+json;q=0", "application/pdf", "application/fhir+json;q=2", "application/fhir+json;q=NaN",
	} {
		w.Do("", "GET", "/FHIR/R4/metadata", "", "Accept", accept).Wants(http.StatusNotAcceptable)
	}
}

func TestRefusalIsXMLForWhoReadsXML(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	a := w.Do("", "GET", requests+"/"+absent, "", "Accept", "application/fhir+xml").Wants(http.StatusUnauthorized)

	r, err := r4.UnmarshalXML(a.Body)
	if err != nil || r.Type != "OperationOutcome" || a.Header.Get("Content-Type") != "application/fhir+xml; charset=utf-8" {
		t.Errorf("%v, %s\n%s", err, a.Header.Get("Content-Type"), a.Body)
	}
}

func TestAccessIsAudited(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	_, id := w.Refer("gp-a")
	w.Do("gp-a", "GET", requests+"/"+id, "", "X-Request-Id", "read-1").Wants(http.StatusOK)
	w.Do("gp-b", "GET", requests+"/"+id, "").Wants(http.StatusNotFound)

	got := column(w, `select concat_ws(' ', action, resource_type, resource_id, holder, role, client, organisation)
		from caselink.audit order by id`)

	want := []string{
		"C ServiceRequest " + id + " Y99901 gp gp-a Y99901", "R ServiceRequest " + id + " Y99901 gp gp-a Y99901",
		"R ServiceRequest " + id + " Y99902 gp gp-b Y99902", // who tried is known too
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}
