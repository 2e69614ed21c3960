package fhirapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/fhir"
	"caselink.example/fhir/r4"
	"caselink.example/fhir/validate"
)

func TestValidateGivesTheVerdictOfIntake(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	good := string(edgetest.NewReferral(edgetest.PracticeA).JSON)
	ended := strings.Replace(good, `"status":"active"`, `"status":"completed"`, 1)
	xml, err := r4.MarshalXML([]byte(ended))
	if err != nil {
		t.Fatal(err)
	}
	parameters := func(resource string) string {
		return `{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"create"},` +
			`{"name":"resource","resource":` + resource + `}]}`
	}
	inXML, err := r4.MarshalXML([]byte(parameters(ended)))
	if err != nil {
		t.Fatal(err)
	}
	refusal := []string{"business-rule at ServiceRequest.status"}
	noCode := []string{"required at Parameters.parameter[1].resource.code"}
	const counted = `{"resourceType":"Bundle","type":"collection","total":1}`
	for name, c := range map[string]struct {
		resource, body, media string
		want                  []string
	}{
		"a sound referral":           {"ServiceRequest", good, "application/fhir+json", nil},
		"one that is refused":        {"ServiceRequest", ended, "application/fhir+json", refusal},
		"the same in XML":            {"ServiceRequest", string(xml), "application/fhir+xml", refusal},
		"in Parameters":              {"ServiceRequest", parameters(ended), "application/fhir+json", refusal},
		"in Parameters in XML":       {"ServiceRequest", string(inXML), "application/fhir+xml", refusal},
		"Parameters themselves":      {"Parameters", parameters(`{"resourceType":"Basic"}`), "application/fhir+json", noCode},
		"a Bundle":                   {"Bundle", `{"resourceType":"Bundle","type":"collection"}`, "application/fhir+json", nil},
		"a Bundle with another's":    {"Bundle", counted, "application/fhir+json", []string{"invariant"}},
		"another type":               {"Task", good, "application/fhir+json", []string{"invalid at ServiceRequest"}},
		"a Patient that says little": {"Patient", `{"resourceType":"Patient"}`, "application/fhir+json", nil},
		"no FHIR at all":             {"Patient", `{}`, "application/fhir+json", []string{"required"}},
	} {
		a := w.Do("gp-reader", "POST", "/FHIR/R4/"+c.resource+"/$validate", c.body, "Content-Type", c.media).Wants(http.StatusOK)

		if got := errorsIn(a); len(got) != len(c.want) || !contains(got, c.want) {
			t.Errorf("%s: %v, want %v\n%s", name, got, c.want, a.Body)
		}
	}
	if n := len(casesOf(w)); n != 0 {
		t.Errorf("$validate left %d cases", n)
	}
}

// errorsIn are the issues that are a reason to refuse.
func errorsIn(a edgetest.Answer) (out []string) {
	for i, issue := range a.Issues() {
		if a.At("issue", i, "severity") == "error" {
			out = append(out, issue)
		}
	}
	return out
}

func TestMapShowsTheCaseAndKeepsNothing(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	r := edgetest.NewReferral(edgetest.PracticeA)

	a := w.Do("gp-a", "POST", requests+"/$map", string(r.JSON)).Wants(http.StatusOK)
	b := w.Do("gp-b", "POST", requests+"/$map", string(r.JSON)).Wants(http.StatusOK)
	refused := w.Do("gp-a", "POST", requests+"/$map", strings.Replace(string(r.JSON), `"status":"active"`, `"status":"completed"`, 1))

	for name, got := range map[string][2]any{
		"status":                    {a.At("status"), "received"},
		"NHS number":                {a.At("patient", "nhsNumber"), r.NHSNumber},
		"service":                   {a.At("service", "id"), edgetest.ServiceA},
		"practice":                  {a.At("referral", "practice"), edgetest.PracticeA},
		"id":                        {a.At("id"), ""},
		"status without a service":  {b.At("status"), "needs-information"},
		"service of a poor referee": {b.At("service"), nil},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", name, got[0], got[1])
		}
	}
	mapped := map[string]any{}
	steps, _ := a.At("trace").([]any)
	for i := range steps {
		mapped[a.At("trace", i, "path").(string)] = a.At("trace", i, "to")
	}
	if mapped["ServiceRequest.priority"] != "priority" ||
		mapped["ServiceRequest.note[0].text"] != "narrative" && mapped["ServiceRequest.note[0]"] != "narrative" {
		t.Errorf("the trace does not say where elements went: %v", mapped)
	}
	if refused.Status != http.StatusUnprocessableEntity {
		t.Errorf("a referral that would be refused: status %d", refused.Status)
	}
	if got := column(w, `select id::text from caselink.referrals`); len(got) != 0 {
		t.Errorf("$map kept %v", got)
	}
	w.Do("gp-reader", "POST", requests+"/$map", string(r.JSON)).Wants(http.StatusForbidden)
}

// shape is a route with its parameters filled in.
func shape(path string) string {
	return strings.NewReplacer(":id", absent, ":vid", "1").Replace(path)
}

func TestStatementNamesEveryRoute(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	statement := w.Do("", "GET", "/FHIR/R4/metadata", "").Wants(http.StatusOK)

	served := map[string]bool{}
	resources, _ := statement.At("rest", 0, "resource").([]any)
	for i := range resources {
		kind := statement.At("rest", 0, "resource", i, "type").(string)
		for _, list := range []struct{ member, name string }{{"interaction", "code"}, {"operation", "name"}} {
			all, _ := statement.At("rest", 0, "resource", i, list.member).([]any)
			for j := range all {
				served[kind+" "+statement.At("rest", 0, "resource", i, list.member, j, list.name).(string)] = true
			}
		}
	}
	for _, route := range w.Engine.Routes() {
		path, ours := strings.CutPrefix(route.Path, "/FHIR/R4/")
		if !ours || route.Method == http.MethodHead || path == "metadata" || strings.HasPrefix(path, ".well-known") {
			continue
		}
		kind, rest, _ := strings.Cut(path, "/")
		name := map[string]string{"POST ": "create", "GET :id": "read", "GET :id/_history/:vid": "vread"}[route.Method+" "+rest]
		if operation, ok := strings.CutPrefix(rest, "$"); ok {
			name = operation
		}
		if !served[kind+" "+name] {
			t.Errorf("%s %s is not in the CapabilityStatement", route.Method, route.Path)
		}
		delete(served, kind+" "+name)
	}
	if len(served) > 0 {
		t.Errorf("the CapabilityStatement promises what no route serves: %v", served)
	}
}

func TestEveryRouteButTheOpenOnesNeedsAToken(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)
	open := map[string]bool{"/FHIR/R4/metadata": true, "/FHIR/R4/.well-known/smart-configuration": true, "/healthz": true, "/readyz": true}
	for _, route := range w.Engine.Routes() {
		want := http.StatusUnauthorized
		if open[route.Path] {
			want = http.StatusOK
		}
		if a := w.Do("", route.Method, shape(route.Path), ""); a.Status != want {
			t.Errorf("%s %s without a token: status %d, want %d", route.Method, route.Path, a.Status, want)
		}
	}
}

func TestStatementIsSoundFHIR(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	a := w.Do("", "GET", "/FHIR/R4/metadata", "").Wants(http.StatusOK)

	if _, faults := validate.R4().Check(a.Body, fhir.JSON); len(faults) > 0 {
		t.Errorf("our own rules find: %v", faults)
	}
	if a.At("software", "version") != "1.2.3" || a.At("implementation", "url") != w.Flow.Base || a.At("fhirVersion") != "4.0.1" {
		t.Errorf("the statement says %v, %v, %v", a.At("software"), a.At("implementation"), a.At("fhirVersion"))
	}
	w.Do("", "GET", "/FHIR/R4/metadata?_format=xml", "").Wants(http.StatusOK)
}

func TestSMARTConfigurationNamesTheIssuer(t *testing.T) {
	t.Parallel()
	w := edgetest.New(t, mount)

	a := w.Do("", "GET", "/FHIR/R4/.well-known/smart-configuration", "").Wants(http.StatusOK)

	if a.At("token_endpoint") != "https://issuer.example/token" || a.At("issuer") != "https://issuer.example" ||
		!strings.HasPrefix(a.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%s %s", a.Header.Get("Content-Type"), a.Body)
	}
	want := []any{"system/ServiceRequest.cr", "system/Task.r", "system/Observation.r"}
	if diff := cmp.Diff(want, a.At("scopes_supported")); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
}
