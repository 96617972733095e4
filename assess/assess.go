// Package assess computes how well a system is protected: the models of information-protection theory on a model file. It does no input or output and needs no
// cluster; package model reads the file, package formula explains the formulas, package report writes what was found.
//
// The same model and options give the same report, to the bit, on any number of processors.
package assess

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"redoubt/assess/model"
)

// Report is what was found; a section is there where the model has what it needs. The names of its JSON are fixed.
type Report struct {
	Title    string `json:"title,omitempty"`
	System   string `json:"system,omitempty"`
	Date     string `json:"date,omitempty"`
	Currency string `json:"currency"`
	Period   string `json:"period"`
	Digest   string `json:"digest"` // SHA-256 of the model, so that a report can be held against it

	Dynamics      *Dynamics      `json:"dynamics,omitempty"`
	Losses        *Losses        `json:"losses,omitempty"`
	IBM           *IBM           `json:"ibm,omitempty"`
	Optimum       *Optimum       `json:"optimum,omitempty"`
	Game          *Game          `json:"game,omitempty"`
	Coverage      *Coverage      `json:"coverage,omitempty"`
	Access        *Access        `json:"access,omitempty"`
	Codes         *Codes         `json:"codes,omitempty"`
	Vulnerability *Vulnerability `json:"vulnerability,omitempty"`

	Notes []Note `json:"notes,omitempty"`
}

// Note is something that a reader of the figures has to know: an assumption that does not hold, a default that was taken, a figure that does not exist.
type Note struct {
	Section string `json:"section"`
	Path    string `json:"path,omitempty"` // in the model, as damage.threats[2]
	Text    string `json:"text"`           // in English; see In

	format string
	args   []any
}

// Trace says where the figures of a section come from.
type Trace struct {
	Formulas []string `json:"formulas"`          // as package formula numbers them, as 3.7
	Inputs   []string `json:"inputs,omitempty"`  // paths in the model
	Sources  []string `json:"sources,omitempty"` // what the entries of the model name as their sources, each once
}

// Options steer a computation.
type Options struct {
	Workers  int                                // goroutines; 0: one for each processor. The result does not depend on it
	Progress func(section string, done float64) // told from 0 to 1; nil: nobody is told. It may be called from several goroutines
}

// Section is a part of the report.
type Section string

// The sections, in the order of the report.
const (
	SectionDynamics      Section = "dynamics"
	SectionLosses        Section = "losses"
	SectionIBM           Section = "ibm"
	SectionOptimum       Section = "optimum"
	SectionGame          Section = "game"
	SectionCoverage      Section = "coverage"
	SectionVulnerability Section = "vulnerability"
	SectionAccess        Section = "access"
	SectionCodes         Section = "codes"
)

// run is one computation. Each section's file has the method that computes it: it leaves its field nil where the model has nothing for it.
type run struct {
	ctx     context.Context
	model   *model.Model
	options Options
	report  *Report
}

// steps are the sections in the order in which they are computed; a later one may use what an earlier one found.
var steps = []struct {
	section Section
	compute func(*run) error
}{
	{SectionDynamics, (*run).dynamics},
	{SectionLosses, (*run).losses},
	{SectionIBM, (*run).ibm},
	{SectionOptimum, (*run).optimum},
	{SectionGame, (*run).game},
	{SectionCoverage, (*run).coverage},
	{SectionVulnerability, (*run).vulnerability},
	{SectionAccess, (*run).access},
	{SectionCodes, (*run).codes},
}

// rests says which sections a section uses the results of. A part of the losses, those with the measures that are proposed, comes of the optimum.
var rests = map[Section][]Section{
	SectionLosses:  {SectionDynamics, SectionIBM, SectionOptimum},
	SectionOptimum: {SectionDynamics, SectionLosses, SectionIBM},
}

// ErrNothing is returned for a section that the model has nothing for.
var ErrNothing = errors.New("the model has nothing for it")

// Run computes the whole report of a model that Check has found nothing wrong with.
func Run(ctx context.Context, m *model.Model, o Options) (*Report, error) {
	r, err := begin(ctx, m, o)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		if err := r.step(s.section, s.compute); err != nil {
			return nil, err
		}
	}
	return r.report, nil
}

// RunSection computes one section, and those that it rests on.
func RunSection(ctx context.Context, m *model.Model, section Section, o Options) (*Report, error) {
	r, err := begin(ctx, m, o)
	if err != nil {
		return nil, err
	}
	after := false
	for _, s := range steps {
		if s.section != section && !slices.Contains(rests[section], s.section) {
			continue
		}
		if err := r.step(s.section, s.compute); err != nil {
			return nil, err
		}
		if after { // what is noted of its own figures is not of those that were asked for
			r.report.Notes = slices.DeleteFunc(r.report.Notes, func(n Note) bool { return n.Section == string(s.section) })
		}
		after = after || s.section == section
	}
	return r.report, nil
}

func begin(ctx context.Context, m *model.Model, o Options) (*run, error) {
	if faults := m.Check(); len(faults) > 0 {
		return nil, fmt.Errorf("the model has %d faults, the first in %s: %s", len(faults), faults[0].Path, faults[0].Text)
	}
	return &run{ctx: ctx, model: m, options: o, report: &Report{
		Title: m.Title, System: m.System, Date: m.Date, Currency: m.CurrencyName(), Period: m.PeriodName(), Digest: m.Digest(),
	}}, nil
}

func (r *run) step(section Section, compute func(*run) error) error {
	if err := context.Cause(r.ctx); err != nil {
		return err
	}
	r.tell(section, 0)
	if err := compute(r); err != nil {
		return fmt.Errorf("section %s: %w", section, err)
	}
	return nil
}

// tell says how far a section is.
func (r *run) tell(section Section, done float64) {
	if r.options.Progress != nil {
		r.options.Progress(string(section), done)
	}
}

// note adds a note to the report.
func (r *run) note(section Section, path, format string, args ...any) {
	r.report.Notes = append(r.report.Notes, Note{Section: string(section), Path: path, Text: fmt.Sprintf(format, args...), format: format, args: args})
}
