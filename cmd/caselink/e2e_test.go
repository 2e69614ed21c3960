package main

import (
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
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"caselink.example/cmd/caselink/internal/load"
	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/connectors/api/edge/edgetest"
)

// ons4Outcome are answers with the lowest, the highest and two other scores.
const ons4Outcome = `{"instrument":"ons4","point":"baseline","actor":{"name":"Ola Example"},
	"answers":{"life-satisfaction":7,"worthwhile":0,"happy-yesterday":10,"anxious-yesterday":3}}`

func TestReferralTravelsThereAndBack(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ods := d.Clients["gp-a"].ODS
	sent := edgetest.NewReferral(ods)

	referral := d.refer("gp-a", sent)
	id, etag, c := d.caseOf("linkworker", referral)
	etag = d.moves("linkworker", id, etag, "accepted", "active")
	o := d.call(http.MethodPost, d.CaseAPI+"/cases/"+id+"/outcomes", d.as("linkworker"), ons4Outcome,
		"Content-Type", "application/json")
	if o.status != http.StatusCreated {
		t.Fatalf("outcome: status %d\n%s", o.status, o.body)
	}
	closed := d.move("linkworker", id, etag, "closed", `,"reason":{"code":"completed-goals-met"}`)
	if closed.status != http.StatusOK {
		t.Fatalf("close: status %d\n%s", closed.status, closed.body)
	}

	if got := c.at("patient", "nhsNumber"); got != sent.NHSNumber {
		t.Errorf("the case's NHS number is not that of the referral")
	}
	want := "[requested accepted in-progress completed]"
	d.until("the Task is completed at the GP system", func() bool {
		statuses, _ := d.tasks(ods, referral)
		return fmt.Sprint(statuses) == want
	})
	basedOn := d.FHIRBase + "/ServiceRequest/" + referral
	found := d.call(http.MethodGet, d.GPSystems[ods]+"/Observation?_count=100&based-on="+basedOn, "", "")
	scores := map[string]any{}
	entries, _ := found.at("entry").([]any)
	for i := range entries {
		code := found.at("entry", i, "resource", "code", "coding", 0, "code").(string)
		scores[code] = found.at("entry", i, "resource", "valueInteger")
	}
	wantScores := map[string]any{
		"life-satisfaction": 7.0, "worthwhile": 0.0, "happy-yesterday": 10.0, "anxious-yesterday": 3.0,
	}
	if diff := cmp.Diff(wantScores, scores); diff != "" {
		t.Errorf("the GP system has other scores (-want +got):\n%s", diff)
	}
}

func TestGPSystemThatIsDownMissesNothing(t *testing.T) {
	t.Parallel()
	d := startDev(t)
	ods := d.Clients["gp-a"].ODS
	d.misbehave(ods, `{"down":true}`)

	referral := d.refer("gp-a", edgetest.NewReferral(ods))
	id, etag, _ := d.caseOf("linkworker", referral)
	d.moves("linkworker", id, etag, "accepted", "contacting", "active", "on-hold", "active", "closed")
	other := d.Clients["gp-b"].ODS
	elsewhere := d.refer("gp-b", edgetest.NewReferral(other))
	d.until("the other practice is served meanwhile", func() bool {
		statuses, _ := d.tasks(other, elsewhere)
		return len(statuses) == 1
	})
	d.misbehave(ods, `{"down":false}`)

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
	h := load.NewHammer(load.HammerConfig{
		Base: d.FHIRBase, ODS: d.Clients["gp-a"].ODS, Token: d.as("gp-a"), Clients: 8, Seed: rand.Uint64(),
	})
	sent := make(chan error, 1)
	go func() { sent <- h.Run(ctx, 1000) }()

	kills := 0
	for running := true; running; {
		mark := h.Sent() + 150
		d.until("referrals go on", func() bool {
			select {
			case err := <-sent:
				if err != nil {
					t.Error(err)
				}
				running = false
				return true
			default:
				return h.Sent() >= mark
			}
		})
		now, err := world.Read(d.dir)
		if err == nil && running && syscall.Kill(now.AdapterPID, syscall.SIGKILL) == nil {
			kills++
		}
	}

	lost, doubled, err := h.Verify(ctx, func(int, int) {})
	summary := fmt.Sprintf("%d referrals acknowledged through %d kills, %d requests repeated: %d lost, %d doubled",
		h.Sent(), kills, h.Repeated(), lost, doubled)
	t.Log(summary)
	if err != nil || lost+doubled > 0 || kills < 3 {
		t.Errorf("%s, error %v; want none lost or doubled through at least 3 kills", summary, err)
	}
	gp := d.GPSystems[d.Clients["gp-a"].ODS]
	tasks := func() int {
		total, _ := d.call(http.MethodGet, gp+"/Task?_count=1", "", "").at("total").(float64)
		return int(total)
	}
	d.until("the GP system has a Task of each referral", func() bool { return tasks() >= 1000 })
	if n := tasks(); n != 1000 {
		t.Errorf("the GP system has %d Tasks of 1000 referrals", n)
	}
	if code, out, errOut := runHere(t, "fsck", "--config", d.ServeConfig); code != exitOK {
		t.Errorf("fsck: exit code %d\n%s%s", code, out, errOut)
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
		a, err := request(http.MethodGet, base+"/readyz", "", "")
		return err == nil && a.status == http.StatusOK
	})
	r := edgetest.NewReferral(d.Clients["gp-a"].ODS)
	first := d.refer("gp-a", r)
	again := d.post(base+"/FHIR/R4", "gp-a", r.JSON)

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
	r := edgetest.NewReferral(ods)
	d.refer("gp-a", r)
	for _, body := range []string{
		strings.Replace(string(r.JSON), r.NHSNumber, "9990000001", 1),
		string(r.JSON[:len(r.JSON)/2]),
		strings.Replace(string(r.JSON), `"Exampleton"`, `7`, 1),
	} {
		d.post(d.FHIRBase, "gp-a", []byte(body))
	}
	token := d.as("gp-a")
	d.call(http.MethodGet, d.FHIRBase+"/ServiceRequest/"+r.NHSNumber, token, "")
	d.call(http.MethodGet, d.FHIRBase+"/Patient?identifier="+r.NHSNumber, token, "")
	metrics := d.call(http.MethodGet, d.PublicURL()+"/metrics", "", "")

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
