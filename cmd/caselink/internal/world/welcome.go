package world

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// welcome is what a newcomer reads first: where everything is, and four commands to
// paste that carry one referral the whole way.
var welcome = template.Must(template.New("welcome").Parse(`
Caselink is ready, after {{.Took}}.

  FHIR API     {{.World.FHIRBase}}
  Case API     {{.World.CaseAPI}}
{{- range .Practices}}
  GP system    {{index $.World.GPSystems .ODS}}   {{.Name}}
{{- end}}
  Issuer       {{.World.Issuer}}
  Everything   {{.Data}}: logs, database, dev.json

1. Send a referral, as the practice's GP system. Send it twice: it is one referral.

curl -sS -i -X POST {{.World.FHIRBase}}/ServiceRequest \
  -H "Authorization: Bearer $({{.Token}} gp-a)" \
  -H "Content-Type: application/fhir+json" --data-binary @{{.Example}}

2. Read the cases, as the link worker's app.

curl -sS {{.World.CaseAPI}}/cases -H "Authorization: Bearer $({{.Token}} linkworker)"

3. Move one on: put the id of a case for ID, and its version for the 1 of If-Match.

curl -sS -X POST {{.World.CaseAPI}}/cases/ID/transitions \
  -H "Authorization: Bearer $({{.Token}} linkworker)" \
  -H "Content-Type: application/json" -H 'If-Match: W/"1"' \
  -d '{"to":"accepted","actor":{"name":"Priya Shah","role":"link worker"}}'

4. See what came back to the GP system.

curl -sS {{index .World.GPSystems .Home}}/Task

Ctrl-C stops.
`))

// PrintWelcome shows a newcomer what to try.
func (d *Dev) PrintWelcome(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data := shortest(d.data)
	// The commands are to be pasted: they name this program and this folder as the user did.
	token := os.Args[0] + " token"
	if data != DefaultFolder {
		token += " --data " + data
	}
	err := welcome.Execute(d.out, map[string]any{
		"Took": took.Round(10 * time.Millisecond), "World": d.world, "Practices": practices, "Home": practices[0].ODS,
		"Data": data, "Example": filepath.Join(data, "referral.json"), "Token": token,
	})
	if err != nil {
		fmt.Fprintln(d.out, err)
	}
}

// shortest is the path as the user would type it here.
func shortest(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}
