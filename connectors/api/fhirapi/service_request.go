package fhirapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"caselink.example/connectors/api/caseview"
	"caselink.example/connectors/api/edge"
	"caselink.example/fhir"
	"caselink.example/mapping/workflow"
)

func (a *API) createServiceRequest(c *gin.Context) error {
	raw, format, err := body(c, MaxBody)
	if err != nil {
		return err
	}

	// The bytes as they came go along: they are kept, and what is understood of them
	// stands beside them.
	receipt, err := a.Flow.Receive(c.Request.Context(), edge.Scope(c, fhir.RoleGP), workflow.Incoming{
		Original:    workflow.Original{MediaType: c.ContentType(), Body: raw},
		Format:      format,
		IfNoneExist: c.GetHeader("If-None-Exist"),
		NamedByID:   edge.RequestIDGiven(c),
	})

	// A 409 leads to the referral that has the identifier, which its sender may read.
	if taken, ok := errors.AsType[*workflow.TakenError](err); ok {
		c.Header("Location", taken.Location)
	}
	if err != nil {
		return err
	}
	return a.renderReceipt(c, receipt)
}

// renderReceipt answers 201, or 200 for a referral that was here, in the form that Prefer asks for.
// https://hl7.org/fhir/R4/http.html#ops
func (a *API) renderReceipt(c *gin.Context, r workflow.Receipt) error {
	status := http.StatusOK
	if r.Created {
		status = http.StatusCreated
	}

	// The version is part of the Location, as of every create: the referral may have moved
	// on by the time that somebody looks. The headers come with a minimal answer too.
	s := r.Stored
	c.Header("Location", a.Base+"/"+s.Type+"/"+s.ID+"/_history/"+strconv.Itoa(s.Version))
	setVersionHeaders(c, s)
	switch preference(c, "return") {
	case "minimal":
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return nil
	case "OperationOutcome":
		return edge.Render(c, status, fhir.OperationOutcome(r.Warnings.OrNone()))
	}
	return edge.Render(c, status, s.JSON)
}

// mapServiceRequest is the operation $map: the case that the referral would become, in
// plain JSON as the case API shows it, with what became of each element. Nothing is kept.
func (a *API) mapServiceRequest(c *gin.Context) error {
	raw, format, err := body(c, MaxBody)
	if err != nil {
		return err
	}
	mapped, err := a.Flow.Map(edge.Scope(c, fhir.RoleGP), raw, format)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, caseview.OfMapped(mapped.Case, mapped.Trace))
	return nil
}

// validate is the operation $validate: the verdict of workflow.Meaning, and nothing
// kept. The body is the resource, or Parameters that hold it.
// https://hl7.org/fhir/R4/resource-operation-validate.html
func (a *API) validate(resourceType string) edge.Handler {
	return func(c *gin.Context) error {
		raw, format, err := body(c, MaxBundle)
		if err != nil {
			return err
		}

		// Faults are the result of the operation and not its failure: the answer is 200.
		faults := a.Flow.Meaning.Validate(raw, format, resourceType)
		return edge.Render(c, http.StatusOK, fhir.OperationOutcome(faults.OrNone()))
	}
}
