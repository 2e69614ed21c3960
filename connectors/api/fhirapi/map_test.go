package fhirapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caselink.example/connectors/api/edge/edgetest"
	"caselink.example/connectors/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestWireFormOfMapIsTheGolden(t *testing.T) {
	t.Parallel()
	referral, err := os.ReadFile("../../../mapping/referral/testdata/typical.json")
	if err != nil {
		t.Fatal(err)
	}
	w := edgetest.New(t, mount)
	w.Flow.Now = func() time.Time { return storetest.Noon }

	a := w.Do("gp-a", "POST", requests+"/$map", string(referral)).Wants(http.StatusOK)

	var got bytes.Buffer
	if err := json.Indent(&got, a.Body, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile("testdata/map.golden", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/map.golden")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("testdata/map.golden (-want +got):\n%s", diff)
	}
}
