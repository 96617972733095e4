package report

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"redoubt/assess"
	"redoubt/assess/model"
)

// The names under which the quantities of a report stand in OSCAL, and the version of the standard that is written.
const (
	System       = "urn:redoubt:assess:1" // of facets and of properties
	oscalVersion = "1.2.0"
)

// The parts of OSCAL assessment results that are written. Members that the standard does not require and that would be empty are left out.
type (
	oscalDocument struct {
		Results oscalAR `json:"assessment-results"`
	}
	oscalAR struct {
		UUID       string        `json:"uuid"`
		Metadata   oscalMetadata `json:"metadata"`
		ImportAP   oscalHref     `json:"import-ap"`
		Results    []oscalResult `json:"results"`
		BackMatter oscalBack     `json:"back-matter"`
	}
	oscalMetadata struct {
		Title        string       `json:"title"`
		LastModified string       `json:"last-modified"`
		Version      string       `json:"version"`
		OSCALVersion string       `json:"oscal-version"`
		Props        []oscalProp  `json:"props"`
		Parties      []oscalParty `json:"parties,omitempty"`
		Remarks      string       `json:"remarks,omitempty"`
	}
	oscalParty struct {
		UUID string `json:"uuid"`
		Type string `json:"type"`
		Name string `json:"name"`
	}
	oscalHref struct {
		Href string `json:"href"`
	}
	oscalProp struct {
		Name  string `json:"name"`
		NS    string `json:"ns"`
		Value string `json:"value"`
	}
	oscalResult struct {
		UUID         string             `json:"uuid"`
		Title        string             `json:"title"`
		Description  string             `json:"description"`
		Start        string             `json:"start"`
		End          string             `json:"end"`
		Definitions  oscalDefinitions   `json:"local-definitions"`
		Reviewed     oscalReviewed      `json:"reviewed-controls"`
		Observations []oscalObservation `json:"observations"`
		Risks        []oscalRisk        `json:"risks"`
		Findings     []oscalFinding     `json:"findings,omitempty"`
	}
	oscalDefinitions struct {
		Assets oscalAssets `json:"assessment-assets"`
	}
	oscalAssets struct {
		Components []oscalComponent `json:"components"`
		Platforms  []oscalPlatform  `json:"assessment-platforms"`
	}
	oscalComponent struct {
		UUID        string     `json:"uuid"`
		Type        string     `json:"type"`
		Title       string     `json:"title"`
		Description string     `json:"description"`
		Status      oscalState `json:"status"`
	}
	oscalPlatform struct {
		UUID  string     `json:"uuid"`
		Title string     `json:"title"`
		Uses  []oscalUse `json:"uses-components"`
	}
	oscalUse struct {
		Component string `json:"component-uuid"`
	}
	oscalState struct {
		State string `json:"state"`
	}
	oscalReviewed struct {
		Description string           `json:"description"`
		Selections  []oscalSelection `json:"control-selections"`
	}
	oscalSelection struct {
		Description string   `json:"description"`
		All         struct{} `json:"include-all"`
	}
	oscalObservation struct {
		UUID        string        `json:"uuid"`
		Title       string        `json:"title"`
		Description string        `json:"description"`
		Props       []oscalProp   `json:"props,omitempty"`
		Methods     []string      `json:"methods"`
		Origins     []oscalOrigin `json:"origins"`
		Collected   string        `json:"collected"`
		Remarks     string        `json:"remarks,omitempty"`
	}
	oscalOrigin struct {
		Actors []oscalActor `json:"actors"`
	}
	oscalActor struct {
		Type string `json:"type"`
		UUID string `json:"actor-uuid"`
	}
	oscalRisk struct {
		UUID             string                  `json:"uuid"`
		Title            string                  `json:"title"`
		Description      string                  `json:"description"`
		Statement        string                  `json:"statement"`
		Status           string                  `json:"status"`
		Characterization []oscalCharacterization `json:"characterizations"`
		Related          []oscalRelated          `json:"related-observations,omitempty"`
	}
	oscalCharacterization struct {
		Origin oscalOrigin  `json:"origin"`
		Facets []oscalFacet `json:"facets"`
	}
	oscalFacet struct {
		Name   string      `json:"name"`
		System string      `json:"system"`
		Value  string      `json:"value"`
		Props  []oscalProp `json:"props,omitempty"`
	}
	oscalRelated struct {
		Observation string `json:"observation-uuid"`
	}
	oscalFinding struct {
		UUID        string         `json:"uuid"`
		Title       string         `json:"title"`
		Description string         `json:"description"`
		Target      oscalTarget    `json:"target"`
		Related     []oscalRelated `json:"related-observations,omitempty"`
	}
	oscalTarget struct {
		Type   string     `json:"type"`
		ID     string     `json:"target-id"`
		Status oscalState `json:"status"`
	}
	oscalBack struct {
		Resources []oscalResource `json:"resources"`
	}
	oscalResource struct {
		UUID        string      `json:"uuid"`
		Title       string      `json:"title"`
		Description string      `json:"description"`
		Props       []oscalProp `json:"props"`
	}
)

// oscalWriter makes one document. Every identifier follows from the model's digest, so a repeated report is the same.
type oscalWriter struct {
	space uuid.UUID
	r     *assess.Report
	when  string
	tool  oscalOrigin
}

// OSCAL writes the report as OSCAL assessment results in JSON: a risk for each threat and for each section that is about the whole, their quantities as facets under
// System; an observation for each section; a finding for each threat that nothing stops.
func OSCAL(w io.Writer, r *assess.Report, m *model.Model, _ string) error {
	rows, err := Rows(r)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return errNothing
	}
	o := &oscalWriter{space: uuid.NewSHA1(uuid.NameSpaceURL, []byte(System+":"+r.Digest)), r: r}
	doc, err := o.document(rows, m)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("the OSCAL document: %w", err)
	}
	return writeAll(w, "OSCAL document", append(text, '\n'))
}

func (o *oscalWriter) id(parts ...string) string {
	return uuid.NewSHA1(o.space, []byte(strings.Join(parts, "\x00"))).String()
}

var day = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

func (o *oscalWriter) document(rows []Row, m *model.Model) (oscalDocument, error) {
	r := o.r
	meta := oscalMetadata{
		Title: either(r.Title, "Assessment of protection"), Version: short(r.Digest), OSCALVersion: oscalVersion,
		Props: []oscalProp{prop("model-digest", either(r.Digest, "none")), prop("currency", r.Currency), prop("period", r.Period)},
	}
	o.when = r.Date + "T00:00:00Z"
	if !day.MatchString(r.Date) {
		o.when = "1970-01-01T00:00:00Z"
		meta.Remarks = "The model does not say on which day it describes the system: the times in this document have no meaning."
	}
	meta.LastModified = o.when
	if m != nil && m.Owner != "" {
		meta.Parties = []oscalParty{{o.id("party", m.Owner), "organization", line(m.Owner)}}
	}
	tool := o.id("tool")
	o.tool = oscalOrigin{[]oscalActor{{"tool", tool}}}
	risks, err := o.risks(rows)
	if err != nil {
		return oscalDocument{}, err
	}
	source := o.id("model")
	return oscalDocument{oscalAR{
		UUID: o.id("assessment-results"), Metadata: meta, ImportAP: oscalHref{"#" + source},
		Results: []oscalResult{{
			UUID: o.id("result"), Title: meta.Title, Description: "What the models of protection give for " + either(r.System, "the system") + ".", Start: o.when, End: o.when,
			Definitions: oscalDefinitions{oscalAssets{
				[]oscalComponent{{tool, "software", "Redoubt", "Computes the models of information protection on a model file.", oscalState{"operational"}}},
				[]oscalPlatform{{o.id("platform"), "Redoubt", []oscalUse{{tool}}}},
			}},
			Reviewed: oscalReviewed{"Threats and means of protection as the model has them.",
				[]oscalSelection{{Description: "All of a baseline that has no controls: the model names means of protection, not controls of a catalogue."}}},
			Observations: o.observations(rows), Risks: risks, Findings: o.findings(),
		}},
		BackMatter: oscalBack{[]oscalResource{{source, "Model file", "The model that the assessment was computed from; its SHA-256 is in the properties.", []oscalProp{prop("sha-256", either(r.Digest, "none"))}}}},
	}}, nil
}

// observations are one for each section, with its notes as remarks.
func (o *oscalWriter) observations(rows []Row) []oscalObservation {
	var out []oscalObservation
	for _, s := range names(rows, func(r Row) string { return r.Section }) {
		var notes []string
		for _, n := range o.r.Notes {
			if n.Section == s {
				notes = append(notes, strings.TrimPrefix(n.Path+": "+n.Text, ": "))
			}
		}
		x := oscalObservation{
			UUID: o.id("observation", s), Title: Heading(s, "en"), Description: "The figures of section " + s + " were computed from the model.",
			Methods: []string{"EXAMINE"}, Origins: []oscalOrigin{o.tool}, Collected: o.when, Remarks: strings.Join(notes, "\n\n"),
		}
		for _, f := range names(rows, func(r Row) string {
			if r.Section == s {
				return r.Formula
			}
			return ""
		}) {
			if f != "" {
				x.Props = append(x.Props, prop("formula", f))
			}
		}
		out = append(out, x)
	}
	return out
}

// threatSections are those whose figures are about single threats.
var threatSections = []string{"dynamics", "losses", "ibm"}

// risks are one for each threat and one for what a section says of the whole.
func (o *oscalWriter) risks(rows []Row) ([]oscalRisk, error) {
	var out []oscalRisk
	at := map[string]int{}
	for _, row := range rows {
		if row.Series || row.Text() == "" {
			continue
		}
		item, rest, _ := strings.Cut(row.Item, " / ")
		key, title := "section "+row.Section, Heading(row.Section, "en")
		about := row.Item
		if item != "" && item != "total" && slices.Contains(threatSections, row.Section) {
			key, title, about = "threat "+item, item, rest
		}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, oscalRisk{
				UUID: o.id("risk", key), Title: title, Description: "What the models say of " + title + ".", Statement: "The quantities are facets; each names its unit and its formula.",
				Status: "open", Characterization: []oscalCharacterization{{Origin: o.tool}},
			})
		}
		facet := oscalFacet{Name: token(row.Section, about, row.Figure), System: System, Value: line(row.Text())}
		if about != "" {
			facet.Props = append(facet.Props, prop("item", about))
		}
		if row.Unit != "" {
			facet.Props = append(facet.Props, prop("unit", row.Unit))
		}
		if row.Formula != "" {
			facet.Props = append(facet.Props, prop("formula", row.Formula))
		}
		c := &out[i].Characterization[0]
		c.Facets = append(c.Facets, facet)
		seen := oscalRelated{o.id("observation", row.Section)}
		if !slices.Contains(out[i].Related, seen) {
			out[i].Related = append(out[i].Related, seen)
		}
	}
	return out, nil
}

// maxFindings is how many open pairs become findings; the facets say how many there are.
const maxFindings = 10_000

// findings say which threats reach which objects, the heaviest first.
func (o *oscalWriter) findings() []oscalFinding {
	if o.r.Coverage == nil {
		return nil
	}
	var out []oscalFinding
	related := []oscalRelated{{o.id("observation", "coverage")}}
	for _, e := range o.r.Coverage.Open[:min(len(o.r.Coverage.Open), maxFindings)] {
		out = append(out, oscalFinding{
			UUID: o.id("finding", e.Threat, e.Object), Title: e.Threat + " -> " + e.Object,
			Description: "No means of protection that is in place is stronger than this threat is for this object.",
			Target:      oscalTarget{"objective-id", token("coverage", e.Threat, e.Object), oscalState{"not-satisfied"}}, Related: related,
		})
	}
	return out
}

// names are the different values, in the order in which they come first.
func names(rows []Row, of func(Row) string) []string {
	var out []string
	for _, r := range rows {
		if n := of(r); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

var noToken = regexp.MustCompile(`[^\p{L}\p{N}._-]+`)

// token joins words to what OSCAL takes for a name: letters, digits, and . - _ after a letter or _.
func token(parts ...string) string {
	parts = slices.DeleteFunc(slices.Clone(parts), func(p string) bool { return p == "" })
	s := noToken.ReplaceAllString(strings.Join(parts, "."), "_")
	return strings.TrimSuffix(s, "_")
}

// prop is a property under our own name space. The standard wants a value without blanks at its ends, and not empty.
func prop(name, value string) oscalProp {
	return oscalProp{name, System, line(value)}
}

// line is a text as OSCAL takes a string: one line without blanks at its ends, not empty.
func line(s string) string { return either(strings.Join(strings.Fields(s), " "), "-") }

func either(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func short(digest string) string { return either(digest[:min(12, len(digest))], "0") }
