package main

import (
	"caselink.example/cmd/caselink/internal/world"
	"caselink.example/conformance/kit"
)

// devPreset is how to reach the running caselink dev of the data folder.
func devPreset(data string) (kit.Preset, error) {
	w, err := world.Read(data)
	if err != nil {
		return kit.Preset{}, err
	}
	p := kit.Preset{
		Name: "dev", FHIRBase: w.FHIRBase, CaseAPI: w.CaseAPI, TokenURL: w.TokenURL, Practice: "gp-a",
		Clients: map[string]kit.PresetClient{},
	}
	workers := map[string]string{"gp-a": "linkworker", "gp-b": "linkworker-b"}
	others := map[string]string{"gp-a": "gp-b", "gp-b": "gp-a"}
	for name, c := range w.Clients {
		client := kit.PresetClient{
			ID: c.ID, Secret: c.Secret, Scope: c.Scope, ODS: c.ODS, LinkWorker: workers[name], Other: others[name],
		}
		if gp := w.GPSystems[c.ODS]; c.ODS != "" && gp != "" {
			client.GPSystem, client.GPFault = gp, gp+"/$fault"
		}
		p.Clients[name] = client
	}
	return p, nil
}
