package posture

import (
	v1 "redoubt/api/v1"
	"redoubt/internal/rgm/execsec"
)

// Permission bits.
const (
	groupWrite = 0o020
	otherWrite = 0o002
	sticky     = 0o1000 // as FileFact has it: the bits of chmod
	anyOther   = 0o077
)

// fileChecks are about who may read and write what.
func fileChecks() []Check {
	return []Check{
		{v1.CheckInfo{
			ID: "RC-FIL-001", Severity: Error, Area: areaFiles, Title: "Private keys are readable by root alone",
			Rationale: "Who reads a node's key is that node to all the others; who reads an authority's key makes nodes.", Remedy: "chmod 0600 and chown root the file, then take the key for known: `redoubt certificate renew`",
		}, files(v1.FileKey, func(m uint32) bool { return m&anyOther != 0 }, "others than root may read or write it")},
		{v1.CheckInfo{
			ID: "RC-FIL-002", Severity: Error, Area: areaFiles, Title: "The daemon's state is for root alone",
			Rationale: "The repository and the command log say what root does next, and what it has done.", Remedy: "chmod go-rwx and chown root it",
		}, files(v1.FileState, func(m uint32) bool { return m&anyOther != 0 }, "others than root may enter, read or write it")},
		{v1.CheckInfo{
			ID: "RC-FIL-003", Severity: Error, Area: areaFiles, Title: "Only root writes the configuration",
			Rationale: "The configuration names programs that root runs.", Remedy: "chmod go-w and chown root it",
		}, files(v1.FileConfig, writable, "others than root may write it")},
		{v1.CheckInfo{
			ID: "RC-FIL-004", Severity: Error, Area: areaFiles, Title: "Only root writes the programs of Redoubt and the folders above them",
			Rationale: "Who replaces the program is root.", Remedy: "chmod go-w and chown root it, after you have made sure that it is the program that was installed",
		}, files(v1.FileProgram, writable, "others than root may replace it")},
		{v1.CheckInfo{
			ID: "RC-EXE-001", Severity: Error, Area: areaFiles, Title: "Only root writes the programs that root runs for resources and to fence nodes",
			Rationale: "Methods of resource types, commands of redoubt.gds that run as root and fence agents: who writes one of them, or what it reads as code, is root on every node that runs it.", Remedy: "do what the remedy says, on that node",
		}, func(f Facts, r *report) {
			for _, n := range f.Nodes {
				for _, p := range n.Plantable {
					r.fail("node "+n.Node, "others than root may write what root executes: %s", p)
				}
			}
		}},
		{v1.CheckInfo{
			ID: "RC-EXE-002", Severity: Warning, Area: areaFiles, Title: "resource_security is SECURE",
			Rationale: "With any other value a program that others than root may write is run as root all the same.", Remedy: "`redoubt cluster set -p resource_security=SECURE`",
		}, func(f Facts, r *report) {
			if l := execsec.LevelOf(f.State.Cluster); l != execsec.Secure {
				r.fail(f.cluster(), "resource_security is %s: programs that others than root may have written run as root", l)
			}
		}},
	}
}

// writable: by a group or by everybody, unless it is a folder like /tmp, in which each may remove his own only.
func writable(mode uint32) bool { return mode&(groupWrite|otherWrite) != 0 && mode&sticky == 0 }

// files judges the files of one kind by owner and mode.
func files(kind string, wrong func(mode uint32) bool, text string) func(Facts, *report) {
	return func(f Facts, r *report) {
		r.each(f, func(node string, p *v1.NodePosture) {
			seen := 0
			for _, file := range p.Files {
				if file.Kind != kind {
					continue
				}
				seen++
				switch {
				case file.UID != 0:
					r.fail("node "+node, "%s belongs to user number %d, not to root", file.Path, file.UID)
				case wrong(file.Mode):
					r.fail("node "+node, "%s has mode %04o: %s", file.Path, file.Mode, text)
				}
			}
			if seen == 0 {
				r.unknown("node "+node, "it says nothing of such files")
			}
		})
	}
}
