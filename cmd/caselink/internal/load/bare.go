package load

import (
	"context"
	"time"

	"github.com/google/uuid"

	"caselink.example/cmd/caselink/internal/adapter"
	"caselink.example/cmd/caselink/internal/config"
	"caselink.example/connectors/simulator"
	"caselink.example/connectors/store/measure"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

// bare stores the same rows without HTTP, token, decoding or mapping: the distance between
// this figure and that of the referrals is what Caselink itself costs.
func (t *trial) bare(ctx context.Context, disk string, clients int) error {
	cfg, err := config.Load(t.world.ServeConfig, config.Environment{})
	if err != nil {
		return err
	}
	next, err := t.change(cfg)
	if err != nil {
		return err
	}
	before := t.cpu()
	timed, cancel := context.WithTimeout(ctx, t.Duration)
	defer cancel()
	start := time.Now()
	n, err := measure.Bare(timed, cfg.Database.URL, clients, next)
	if err != nil {
		return err
	}
	f := Figures{Clients: clients, Referrals: n, PerSecond: float64(n) / time.Since(start).Seconds()}
	t.add("bare", disk, f, before)
	return nil
}

// change returns a maker of what one referral stores, each with ids of its own.
func (t *trial) change(cfg config.Config) (func() workflow.Change, error) {
	ods := t.world.Clients["gp-a"].ODS
	r := simulator.NewSample(t.rng, ods, "bare")
	// The directory and the ids are the adapter's: rows of another length, or scattered over
	// the indexes, would cost something else.
	flow := &workflow.Flow{
		Meaning: workflow.DefaultMeaning(), Directory: adapter.NewDirectory(cfg),
		Base: t.world.FHIRBase, Now: time.Now, NewID: adapter.NewID,
	}
	first, _, err := flow.Received(fhir.Scope{Role: fhir.RoleGP, Holder: ods}, workflow.Incoming{
		Format: fhir.JSON, Original: workflow.Original{MediaType: string(fhir.JSON), Body: r.JSON},
	})
	if err != nil {
		return nil, err
	}
	return func() workflow.Change { return renamed(first) }, nil
}

// renamed is the Change with fresh ids and the same bytes.
func renamed(c workflow.Change) workflow.Change {
	c.Referral.ID, c.Case.ID = adapter.NewID(), adapter.NewID()
	opening := *c.Opening
	opening.Identities = []workflow.Identity{
		{Kind: workflow.IdentityIdentifier, System: simulator.SystemReferral, Value: uuid.NewString()},
	}
	c.Opening = &opening
	// Copies: many clients make their Change of the same one at once.
	c.Resources = append([]fhir.Stored(nil), c.Resources...)
	c.Resources[0].ID, c.Resources[1].ID = c.Referral.ID, adapter.NewID()
	c.Owed = append([]workflow.Owed(nil), c.Owed...)
	for i := range c.Owed {
		c.Owed[i].ResourceID = c.Resources[1].ID
	}
	return c
}
