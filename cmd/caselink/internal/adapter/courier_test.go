package adapter

import (
	"strings"
	"testing"

	"caselink.example/cmd/caselink/internal/config"
)

func TestDestinationWithoutReceiverStopsTheStart(t *testing.T) {
	t.Parallel()
	practices := []config.Practice{{ODS: "Y99901", Destinations: []config.Destination{{ID: "to-mesh", Kind: "mesh"}}}}

	_, err := receivers(practices)

	if err == nil || !strings.Contains(err.Error(), "to-mesh") || !strings.Contains(err.Error(), "mesh") {
		t.Errorf("got %v; want an error that names the destination and its kind", err)
	}
	if p, _ := NewDirectory(config.Config{Practices: practices}).Practice("Y99901"); len(p.Destinations) != 1 {
		t.Errorf("destinations %v; want it to be owed what is written back", p.Destinations)
	}
}
