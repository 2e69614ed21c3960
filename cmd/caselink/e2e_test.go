package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/load"
	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/simulator"
)

// binary is the program as it is shipped: CASELINK_BIN, else built once.
var binary = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("CASELINK_BIN"); bin != "" {
		return bin, nil
	}
	dir, err := os.MkdirTemp("", "caselink-test-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "caselink")
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

// devTest is a caselink dev of one test, driven from outside.
type devTest struct {
	*testing.T
	world.World
	dir     string
	printed string // file of what it prints
}

// output is what caselink dev has printed so far.
func (d *devTest) output() string {
	b, _ := os.ReadFile(d.printed) // for failure messages, and there from the start
	return string(b)
}

// startDev runs caselink dev in a folder of its own until the test ends.
func startDev(t *testing.T) *devTest {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	d := &devTest{T: t, dir: t.TempDir(), printed: filepath.Join(t.TempDir(), "printed")}
	out, err := os.Create(d.printed)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin, "dev", "--listen", "127.0.0.1:0", "--data", d.dir, "--demo=false")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("caselink dev ended badly: %v\n%s", err, d.output())
		}
	})
	d.until("caselink dev is ready", func() bool {
		d.World, err = world.Read(d.dir)
		return err == nil
	})
	return d
}

// until waits for something that becomes true.
func (d *devTest) until(what string, holds func() bool) {
	d.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			d.Fatalf("never: %s\n%s", what, d.output())
		}
	}
}

// as is a token of the client.
func (d *devTest) as(client string) string {
	d.Helper()
	token, err := d.Token(context.Background(), client)
	if err != nil {
		d.Fatal(err)
	}
	return token
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// at reads a value of the answer's JSON by its path, such as "cases", 0, "id".
func (a answer) at(path ...any) any {
	var v any
	if json.Unmarshal(a.body, &v) != nil {
		return nil
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// call sends one request; header holds names and values in turn.
func (d *devTest) call(method, url, token, body string, header ...string) answer {
	d.Helper()
	a, err := request(method, url, token, body, header...)
	if err != nil {
		d.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

func request(method, url, token, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, raw}, err
}

// refer sends a referral of the practice and returns the id of its ServiceRequest.
func (d *devTest) refer(client string, r simulator.Sample) string {
	d.Helper()
	a := d.call("POST", d.FHIRBase+"/ServiceRequest", d.as(client), string(r.JSON), "Content-Type", "application/fhir+json")
	if a.status != http.StatusCreated {
		d.Fatalf("referral: status %d\n%s", a.status, a.body)
	}
	id, _ := a.at("id").(string)
	return id
}

// caseOf is the case of a referral, as the service's app sees it.
func (d *devTest) caseOf(client, referral string) (id, etag string, a answer) {
	d.Helper()
	list := d.call("GET", d.CaseAPI+"/cases?limit=200", d.as(client), "")
	all, _ := list.at("cases").([]any)
	for _, c := range all {
		m := c.(map[string]any)
		if m["referral"].(map[string]any)["id"] == referral {
			id = m["id"].(string)
			a = d.call("GET", d.CaseAPI+"/cases/"+id, d.as(client), "")
			return id, a.header.Get("ETag"), a
		}
	}
	d.Fatalf("no case of referral %s among %d\n%s", referral, len(all), list.body)
	return "", "", a
}

func (d *devTest) move(client, id, etag, to, more string) answer {
	d.Helper()
	body := fmt.Sprintf(`{"to":%q,"actor":{"name":"Ola Example","role":"link worker"}%s}`, to, more)
	return d.call("POST", d.CaseAPI+"/cases/"+id+"/transitions", d.as(client), body, "Content-Type", "application/json", "If-Match", etag)
}

// tasks are the statuses that the GP system of the practice saw, oldest first.
func (d *devTest) tasks(ods, referral string) (statuses []string, tasks int) {
	d.Helper()
	gp := d.GPSystems[ods]
	found := d.call("GET", gp+"/Task?_count=1000&focus="+d.FHIRBase+"/ServiceRequest/"+referral, "", "")
	entries, _ := found.at("entry").([]any)
	for i := range entries {
		id := found.at("entry", i, "resource", "id").(string)
		history := d.call("GET", gp+"/Task/"+id+"/_history", "", "")
		versions, _ := history.at("entry").([]any)
		for j := len(versions) - 1; j >= 0; j-- {
			statuses = append(statuses, history.at("entry", j, "resource", "status").(string))
		}
	}
	return statuses, len(entries)
}

func newReferral(ods string) simulator.Sample {
	return simulator.NewSample(rand.New(rand.NewPCG(rand.Uint64(), 1)), ods, uuid.NewString())
}

func TestReferralTravelsThereAndBack(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ods := d.Clients["gp-a"].ODS
	sent := newReferral(ods)

	referral := d.refer("gp-a", sent)
	id, etag, c := d.caseOf("linkworker", referral)
	for _, to := range []string{"accepted", "active"} {
		a := d.move("linkworker", id, etag, to, "")
		if a.status != http.StatusOK {
			t.Fatalf("move to %s: status %d\n%s", to, a.status, a.body)
		}
		etag = a.header.Get("ETag")
	}
	o := d.call("POST", d.CaseAPI+"/cases/"+id+"/outcomes", d.as("linkworker"),
		`{"instrument":"ons4","point":"baseline","answers":{"life-satisfaction":7,"worthwhile":0,"happy-yesterday":10,"anxious-yesterday":3},"actor":{"name":"Ola Example"}}`,
		"Content-Type", "application/json")
	if o.status != http.StatusCreated {
		t.Fatalf("outcome: status %d\n%s", o.status, o.body)
	}
	if a := d.move("linkworker", id, etag, "closed", `,"reason":{"code":"completed-goals-met"}`); a.status != http.StatusOK {
		t.Fatalf("close: status %d\n%s", a.status, a.body)
	}

	if got := c.at("patient", "nhsNumber"); got != sent.NHSNumber {
		t.Errorf("the case's NHS number is not that of the referral")
	}
	want := "[requested accepted in-progress completed]"
	d.until("the Task is completed at the GP system", func() bool {
		statuses, _ := d.tasks(ods, referral)
		return fmt.Sprint(statuses) == want
	})
	found := d.call("GET", d.GPSystems[ods]+"/Observation?_count=100&based-on="+d.FHIRBase+"/ServiceRequest/"+referral, "", "")
	scores := map[string]any{}
	entries, _ := found.at("entry").([]any)
	for i := range entries {
		scores[found.at("entry", i, "resource", "code", "coding", 0, "code").(string)] = found.at("entry", i, "resource", "valueInteger")
	}
	if got, want := fmt.Sprint(scores), "map[anxious-yesterday:3 happy-yesterday:10 life-satisfaction:7 worthwhile:0]"; got != want {
		t.Errorf("the GP system has the scores %s, want %s", got, want)
	}
}

func TestGPSystemThatIsDownMissesNothing(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ods := d.Clients["gp-a"].ODS
	d.call("POST", d.GPSystems[ods]+"/$fault", "", `{"down":true}`, "Content-Type", "application/json")

	referral := d.refer("gp-a", newReferral(ods))
	id, etag, _ := d.caseOf("linkworker", referral)
	for _, to := range []string{"accepted", "contacting", "active", "on-hold", "active", "closed"} {
		a := d.move("linkworker", id, etag, to, "")
		if a.status != http.StatusOK {
			t.Fatalf("move to %s: status %d\n%s", to, a.status, a.body)
		}
		etag = a.header.Get("ETag")
	}
	other := d.Clients["gp-b"].ODS
	elsewhere := d.refer("gp-b", newReferral(other))
	d.until("the other practice is served meanwhile", func() bool {
		statuses, _ := d.tasks(other, elsewhere)
		return len(statuses) == 1
	})
	d.call("POST", d.GPSystems[ods]+"/$fault", "", `{"down":false}`, "Content-Type", "application/json")

	want := "[requested accepted accepted in-progress on-hold in-progress completed]"
	d.until("every state arrives in order", func() bool {
		statuses, _ := d.tasks(ods, referral)
		return fmt.Sprint(statuses) == want
	})
}

// TestAcknowledgedReferralsSurviveKills kills the adapter again and again while
// referrals come in: each that was acknowledged is there once, and reaches the GP system once.
func TestAcknowledgedReferralsSurviveKills(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	h := load.NewHammer(d.FHIRBase, d.Clients["gp-a"].ODS, d.as("gp-a"), 8, rand.Uint64())
	sent := make(chan error, 1)
	go func() { sent <- h.Run(ctx, 1000) }()

	kills := 0
	for running := true; running; {
		mark := h.Sent.Load() + 150
		d.until("referrals go on", func() bool {
			select {
			case err := <-sent:
				if err != nil {
					t.Error(err)
				}
				running = false
				return true
			default:
				return h.Sent.Load() >= mark
			}
		})
		if world, err := world.Read(d.dir); err == nil && running && syscall.Kill(world.AdapterPID, syscall.SIGKILL) == nil {
			kills++
		}
	}

	lost, doubled, err := h.Verify(ctx, func(int, int) {})
	t.Logf("%d referrals acknowledged through %d kills, %d requests repeated: %d lost, %d doubled", len(h.Ledger.List), kills, h.Unknown.Load(), lost, doubled)
	if err != nil || lost+doubled > 0 || kills < 3 {
		t.Errorf("of %d acknowledged %d are lost and %d doubled after %d kills, error %v", len(h.Ledger.List), lost, doubled, kills, err)
	}
	gp := d.GPSystems[d.Clients["gp-a"].ODS]
	d.until("the GP system has one Task of each referral", func() bool {
		total, _ := d.call("GET", gp+"/Task?_count=1", "", "").at("total").(float64)
		return int(total) >= 1000
	})
	if total, _ := d.call("GET", gp+"/Task?_count=1", "", "").at("total").(float64); int(total) != 1000 {
		t.Errorf("the GP system has %v Tasks of 1000 referrals", total)
	}
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"fsck", "--config", d.ServeConfig}, &out, &errs); code != exitOK {
		t.Errorf("fsck: exit code %d\n%s%s", code, out.String(), errs.String())
	}
}

func TestSecondAdapterJoins(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	second := exec.Command(bin, "serve", "--config", d.ServeConfig, "--listen", "127.0.0.1:0")
	log, err := second.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	var line struct{ Address string }
	if err := json.NewDecoder(log).Decode(&line); err != nil || line.Address == "" {
		t.Fatalf("the second adapter did not say where it listens: %v", err)
	}
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(io.Discard, log) }()
	base := "http://" + line.Address

	d.until("the second adapter is ready", func() bool {
		a, err := request("GET", base+"/readyz", "", "")
		return err == nil && a.status == http.StatusOK
	})
	r := newReferral(d.Clients["gp-a"].ODS)
	first := d.refer("gp-a", r)
	again := d.call("POST", base+"/FHIR/R4/ServiceRequest", d.as("gp-a"), string(r.JSON), "Content-Type", "application/fhir+json")

	if again.status != http.StatusOK || again.at("id") != first {
		t.Errorf("the same referral at the second adapter: status %d, id %v, want 200 and %s", again.status, again.at("id"), first)
	}
	_ = second.Process.Signal(syscall.SIGTERM)
	<-read // Wait closes the pipe
	if err := second.Wait(); err != nil {
		t.Errorf("the second adapter did not drain: %v", err)
	}
}

func TestNoPatientDataInLogs(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ods := d.Clients["gp-a"].ODS
	r := newReferral(ods)
	token := d.as("gp-a")
	fhirJSON := []string{"Content-Type", "application/fhir+json"}
	d.refer("gp-a", r)
	broken := strings.Replace(string(r.JSON), r.NHSNumber, "9990000001", 1)
	d.call("POST", d.FHIRBase+"/ServiceRequest", token, broken, fhirJSON...)
	d.call("POST", d.FHIRBase+"/ServiceRequest", token, string(r.JSON[:len(r.JSON)/2]), fhirJSON...)
	d.call("POST", d.FHIRBase+"/ServiceRequest", token, strings.Replace(string(r.JSON), `"Exampleton"`, `7`, 1), fhirJSON...)
	d.call("GET", d.FHIRBase+"/ServiceRequest/"+r.NHSNumber, token, "")
	d.call("GET", d.FHIRBase+"/Patient?identifier="+r.NHSNumber, token, "")
	metrics := d.call("GET", strings.TrimSuffix(d.FHIRBase, "/FHIR/R4")+"/metrics", "", "")

	logs, err := filepath.Glob(filepath.Join(d.dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"metrics": string(metrics.body), "output": d.output()}
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(b)
	}
	for name, text := range texts {
		for _, canary := range []string{r.NHSNumber, "9990000001", "Exampleton", "07700 900", token} {
			if strings.Contains(text, canary) {
				t.Errorf("%s holds %q", name, canary)
			}
		}
	}
}
