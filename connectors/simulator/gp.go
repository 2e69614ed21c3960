package simulator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"caselink.example/fhir"
)

// maxBody is the largest resource that a GP system takes, in bytes.
const maxBody = 1 << 20

// GPConfig is what the GP systems need to know.
type GPConfig struct {
	Practices []Practice
	Folder    string           // one record per practice, ODS.jsonl
	Now       func() time.Time // default time.Now
	NewID     func() string    // ids for POST; default UUIDs
}

// Practice is one practice with its own GP system.
type Practice struct {
	ODS         string
	Patients    []string // NHS numbers of its patients; none: every sound number from 999 on
	LocalSystem string   // identifier system of its own patient numbers, all of which it knows; "" for none
}

// GPSystems are the GP systems of practices, each with the base /{ODS}/FHIR/R4: the part
// of FHIR R4 REST that write-back needs, for Task and Observation. Reading needs no token.
//
// https://hl7.org/fhir/R4/http.html
type GPSystems struct {
	engine  *gin.Engine
	systems map[string]*gpSystem
}

// gpSystem is the GP system of one practice.
type gpSystem struct {
	practice Practice
	record   *record
	faults   faults
	refused  atomic.Int64 // writes since the start that were answered with 4xx
	now      func() time.Time
	newID    func() string
}

var (
	odsCode = regexp.MustCompile(`^[A-Za-z0-9]{1,20}$`)
	validID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`) // https://hl7.org/fhir/R4/datatypes.html#id
)

// NewGPSystems opens the record of each practice.
func NewGPSystems(config GPConfig) (*GPSystems, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.NewID == nil {
		config.NewID = uuid.NewString
	}
	gps := &GPSystems{systems: map[string]*gpSystem{}}
	for _, practice := range config.Practices {
		if !odsCode.MatchString(practice.ODS) || gps.systems[practice.ODS] != nil {
			// The code becomes the name of a file.
			return nil, errors.Join(fmt.Errorf("practice %q: one ODS code each, letters and digits", practice.ODS), gps.Close())
		}
		record, err := openRecord(config.Folder, practice.ODS)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("practice %s: %w", practice.ODS, err), gps.Close())
		}
		gps.systems[practice.ODS] = &gpSystem{practice: practice, record: record, now: config.Now, newID: config.NewID}
	}
	gps.engine = newEngine()
	gps.route(gps.engine.Group("/:ods/FHIR/R4"))
	return gps, nil
}

// Close closes the records.
func (gps *GPSystems) Close() error {
	var errs []error
	for _, g := range gps.systems {
		errs = append(errs, g.record.file.Close())
	}
	return errors.Join(errs...)
}

func (gps *GPSystems) ServeHTTP(w http.ResponseWriter, r *http.Request) { gps.engine.ServeHTTP(w, r) }

func (gps *GPSystems) route(base *gin.RouterGroup) {
	base.GET("/$fault", gps.open((*gpSystem).showFault))
	base.POST("/$fault", gps.open((*gpSystem).setFault))
	base.GET("/$received", gps.open((*gpSystem).received))
	base.GET("/metadata", gps.reading((*gpSystem).metadata))
	base.GET("/:type", gps.reading((*gpSystem).search))
	base.GET("/:type/:id", gps.reading((*gpSystem).read))
	base.GET("/:type/:id/_history", gps.reading((*gpSystem).history))
	base.GET("/:type/:id/_history/:version", gps.reading((*gpSystem).vread))
	base.POST("/:type", gps.writing((*gpSystem).create))
	base.PUT("/:type/:id", gps.writing((*gpSystem).update))
}

// reply is a successful answer.
type reply struct {
	status   int
	resource []byte
	version  *stored // names the version in the headers; nil for none
}

type (
	reader func(*gpSystem, *gin.Context) (reply, error)
	writer func(*gpSystem, *gin.Context) (reply, error)
)

// open answers whatever the fault in force.
func (gps *GPSystems) open(answer reader) gin.HandlerFunc {
	return gps.handle(func(g *gpSystem, c *gin.Context) {
		r, err := answer(g, c)
		g.render(c, r, err)
	})
}

// reading answers unless the system is down.
func (gps *GPSystems) reading(answer reader) gin.HandlerFunc {
	return gps.handle(func(g *gpSystem, c *gin.Context) {
		if g.faults.now().Down {
			cut()
		}
		r, err := answer(g, c)
		g.render(c, r, err)
	})
}

// writing answers as the fault in force says.
func (gps *GPSystems) writing(answer writer) gin.HandlerFunc {
	return gps.handle(func(g *gpSystem, c *gin.Context) {
		f := g.faults.take()
		if g.misbehaves(c, f) {
			return
		}
		r, err := answer(g, c)
		if status := fhir.Status(err); err != nil && status < http.StatusInternalServerError {
			g.refused.Add(1)
		}

		// These faults come after the commit: the client is to find out that what it takes for
		// lost is there.
		switch {
		case err == nil && f.DropAfterCommit:
			cut()
		case err == nil && f.Body == bodyTruncated:
			g.renderHalf(c, r)
		default:
			g.render(c, r, err)
		}
	})
}

func (gps *GPSystems) handle(answer func(*gpSystem, *gin.Context)) gin.HandlerFunc {
	return func(c *gin.Context) {
		g := gps.systems[c.Param("ods")]
		if g == nil {
			renderError(c, fhir.Errorf(fhir.IssueNotFound, "no such practice"))
			return
		}
		answer(g, c)
	}
}

// cut ends the connection without a further byte; net/http knows this panic.
func cut() { panic(http.ErrAbortHandler) }

const fhirJSON = "application/fhir+json; charset=utf-8"

func renderError(c *gin.Context, err error) {
	c.Data(fhir.Status(err), fhirJSON, fhir.OperationOutcome(err))
}

func (g *gpSystem) render(c *gin.Context, r reply, err error) {
	if err != nil {
		renderError(c, err)
		return
	}
	g.renderHeaders(c, r)
	if r.resource == nil || c.Request.Method != http.MethodGet && strings.Contains(c.GetHeader("Prefer"), "return=minimal") {
		c.Status(r.status)
		return
	}
	c.Data(r.status, fhirJSON, r.resource)
}

func (g *gpSystem) renderHeaders(c *gin.Context, r reply) {
	if r.version == nil {
		return
	}
	c.Header("ETag", r.version.etag())
	c.Header("Last-Modified", r.version.at.UTC().Format(http.TimeFormat))
	if c.Request.Method != http.MethodGet {
		c.Header("Location", g.base(c)+"/"+r.version.versionPath())
	}
}

// renderHalf promises the whole resource and breaks off in its middle.
func (g *gpSystem) renderHalf(c *gin.Context, r reply) {
	g.renderHeaders(c, r)
	c.Header("Content-Type", fhirJSON)
	c.Header("Content-Length", strconv.Itoa(len(r.resource)))
	c.Status(r.status)

	// Flushed, for net/http drops what it still holds when the connection is cut.
	_, _ = c.Writer.Write(r.resource[:len(r.resource)/2]) // who has gone misses nothing
	c.Writer.Flush()
	cut()
}

// base is the absolute URL of the practice's API as the client reached it.
func (g *gpSystem) base(c *gin.Context) string {
	return "http://" + c.Request.Host + "/" + g.practice.ODS + "/FHIR/R4"
}

// kindOf is the resource type of the URL.
func kindOf(c *gin.Context) (string, error) {
	if t := c.Param("type"); t == "Task" || t == "Observation" {
		return t, nil
	}
	return "", fhir.Errorf(fhir.IssueNotSupported, "this GP system has Task and Observation only")
}

// body reads and parses the resource that is sent to the URL's type.
func body(c *gin.Context) (*resource, error) {
	kind, err := kindOf(c)
	if err != nil {
		return nil, err
	}
	if t := c.ContentType(); t != "application/fhir+json" && t != "application/json" {
		return nil, fhir.Errorf(fhir.IssueMediaType, "send application/fhir+json")
	}
	raw, err := io.ReadAll(io.LimitReader(c.Request.Body, maxBody+1))
	if err != nil {
		return nil, fhir.Errorf(fhir.IssueStructure, "the body ended early").Because(err)
	}
	if len(raw) > maxBody {
		return nil, fhir.Errorf(fhir.IssueTooLong, "a resource has at most %d bytes", maxBody)
	}
	r, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if r.kind != kind {
		return nil, fhir.Errorf(fhir.IssueInvalid, "send a %s to this URL", kind).At("Resource")
	}
	return r, nil
}
