// Package posture is the checks of `redoubt cluster check`: what could go wrong with a cluster, and what it is not protected against. It decides and
// looks at nothing itself: it is given the facts of every node, the configuration and the state.
//
// A check passes, fails with findings, or is unknown when what it needs could not be learned. Unknown is never taken for passed.
package posture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "redoubt/api/v1"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// The severities, the worst first.
const (
	Error   = "error"
	Warning = "warning"
	Info    = "info"
)

// Facts are everything that the checks judge.
type Facts struct {
	Now    time.Time
	State  model.State
	Policy rbac.Policy
	Nodes  []Node   // those that answered
	Silent []string // members that did not

	Access   Access
	Secrets  []Secret
	Sessions []rbac.Session
	// KnowNodes and KnowUsers are the removed nodes that know the key of the authority of nodes, and of users.
	KnowNodes, KnowUsers []string
	// Problems are what status says, by where it comes from.
	Problems Problems
}

// Node is what a node says of itself, and how its clock compares.
type Node struct {
	v1.NodeFacts
	ClockOff  time.Duration // by how much its clock is ahead of that of the node that asked
	ClockSure time.Duration // how exact that is; 0: not known
}

// Access is the access list.
type Access struct {
	Unreadable string // why it can not be read
	Everybody  bool   // any host may ask to join
	ByAddress  bool   // an address is enough to join
}

// Secret is a private string.
type Secret struct {
	Name                       string
	Readable, Waiting, KnownTo []string
	Stuck                      bool // nobody is there who can encrypt it to those that wait
}

// Problems are what status says anyway.
type Problems struct {
	Membership, Groups, Certificates, Log []v1.Problem
}

// Check is one check.
type Check struct {
	v1.CheckInfo
	run func(f Facts, r *report)
}

// report gathers what a check finds.
type report struct {
	check    v1.CheckInfo
	findings []v1.CheckFinding
	unseen   []v1.CheckUnseen
}

// fail is a finding with the severity and the remedy of the check.
func (r *report) fail(object, format string, args ...any) {
	r.failed(r.check.Severity, object, r.check.Remedy, format, args...)
}

// failed is a finding with its own.
func (r *report) failed(severity, object, remedy, format string, args ...any) {
	r.findings = append(r.findings, v1.CheckFinding{Severity: severity, Object: object, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// problems takes over what status says.
func (r *report) problems(list []v1.Problem) {
	for _, p := range list {
		r.findings = append(r.findings, v1.CheckFinding(p))
	}
}

// unknown says what could not be looked at.
func (r *report) unknown(object, format string, args ...any) {
	r.unseen = append(r.unseen, v1.CheckUnseen{Object: object, Why: fmt.Sprintf(format, args...)})
}

// each gives the posture of every node, and says of which there is none.
func (r *report) each(f Facts, see func(node string, p *v1.NodePosture)) {
	for _, n := range f.Nodes {
		if n.Posture == nil {
			r.unknown("node "+n.Node, "it does not tell; is it of an older version?")
			continue
		}
		see(n.Node, n.Posture)
	}
	for _, n := range f.Silent {
		r.unknown("node "+n, "it does not answer")
	}
}

// Checks are all the checks, by identifier.
func Checks() []Check {
	all := slices.Concat(membershipChecks(), nodeChecks(), storageChecks(), certificateChecks(), fileChecks(), accessChecks(), hostChecks(), serviceChecks(), dependencyChecks())
	slices.SortFunc(all, func(a, b Check) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Run runs the checks.
func Run(checks []Check, f Facts) []v1.CheckResult {
	out := make([]v1.CheckResult, len(checks))
	for i, c := range checks {
		r := report{check: c.CheckInfo}
		c.run(f, &r)
		out[i] = r.result()
	}
	return out
}

func (r *report) result() v1.CheckResult {
	slices.SortStableFunc(r.findings, func(a, b v1.CheckFinding) int { return Rank(a.Severity) - Rank(b.Severity) })
	out := v1.CheckResult{CheckInfo: r.check, Status: v1.CheckPass, Findings: r.findings, Unknown: r.unseen}
	switch {
	case len(r.findings) > 0:
		out.Status = v1.CheckFail
	case len(r.unseen) > 0:
		out.Status = v1.CheckUnknown
	}
	return out
}

// Problems are the findings of results, the worst first.
func Findings(results []v1.CheckResult) []v1.Problem {
	out := []v1.Problem{}
	for _, r := range results {
		for _, f := range r.Findings {
			out = append(out, v1.Problem(f))
		}
	}
	slices.SortStableFunc(out, func(a, b v1.Problem) int { return Rank(a.Severity) - Rank(b.Severity) })
	return out
}

// Rank orders severities: 0 is the worst.
func Rank(severity string) int {
	switch severity {
	case Error:
		return 0
	case Warning:
		return 1
	}
	return 2
}

// formerSeverities are the words of Solaris Cluster.
var formerSeverities = map[string]string{"critical": Error, "high": Error, "moderate": Warning, "low": Info, "information": Info}

// Select picks checks: those with the identifiers in only, or all; without those in exclude; of at least a severity. The case of letters does not count.
func Select(all []Check, only, exclude []string, severity string) ([]Check, error) {
	least := 2
	if severity != "" {
		s := strings.ToLower(severity)
		if former, ok := formerSeverities[s]; ok {
			s = former
		}
		if s != Error && s != Warning && s != Info {
			return nil, fmt.Errorf("there is no severity %q: they are error, warning and info", severity)
		}
		least = Rank(s)
	}
	for _, id := range slices.Concat(only, exclude) {
		if !slices.ContainsFunc(all, func(c Check) bool { return strings.EqualFold(c.ID, id) }) {
			return nil, fmt.Errorf("there is no check %q; `redoubt cluster list-checks` shows those there are", id)
		}
	}
	named := func(list []string, id string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, id) })
	}
	var out []Check
	for _, c := range all {
		if (len(only) == 0 || named(only, c.ID)) && !named(exclude, c.ID) && Rank(c.Severity) <= least {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no check is left to be run")
	}
	return out, nil
}
