// Package outside knows the resources whose service does not live among the processes of the resource: another program starts it (libvirt, a container engine,
// systemd), or the kernel is it. The guard of a node that has lost its lease ends processes and undoes addresses and mounts; of all else it does not know, so
// such a service runs on while another node starts it. A fence agent is what keeps the two apart.
package outside

import (
	"slices"
	"strings"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/execsec"
	"redoubt/internal/rgm/model"
)

// Where a service lives, as the end of a sentence that begins with "it".
const (
	machine   = "is a virtual machine, which runs under its hypervisor"
	container = "is a container, which runs under the service of its engine"
	kernel    = "is served by the kernel"
	device    = "is a device that the kernel keeps open"
	manager   = "is started by the service manager"
)

// agents are those of the package resource-agents, by name.
var agents = map[string]string{
	"VirtualDomain": machine, "Xen": machine, "ManageVE": machine, "vmware": machine,
	"docker": container, "docker-compose": container, "podman": container, "lxc": container, "rkt": container,
	"exportfs":  kernel, //nolint:misspell // the name of an agent
	"nfsserver": kernel, "iSCSITarget": kernel, "iSCSILogicalUnit": kernel, "nvmet-namespace": kernel, "nvmet-port": kernel, "nvmet-subsystem": kernel,
	"LVM": device, "LVM-activate": device, "Raid1": device, "mdraid": device, "ZFS": device, "crypt": device, "vdo-vol": device, "iscsi": device,
}

// starters are programs that have another program start something, and the words that make them do so (none: always).
var starters = map[string]struct {
	where string
	words []string
}{
	"systemctl":   {manager, []string{"start", "restart", "reload-or-restart", "try-restart", "--now", "isolate"}},
	"service":     {manager, []string{"start", "restart"}},
	"invoke-rc.d": {manager, []string{"start", "restart"}}, "rc-service": {manager, []string{"start", "restart"}}, "systemd-run": {manager, nil},
	"docker": {container, []string{"run", "start", "restart", "compose", "up"}}, "podman": {container, []string{"run", "start", "restart", "compose", "up"}},
	"nerdctl": {container, []string{"run", "start", "restart", "compose", "up"}}, "docker-compose": {container, []string{"up", "start", "restart"}}, "podman-compose": {container, []string{"up", "start"}},
	"lxc-start": {container, nil}, "lxc": {container, []string{"start", "launch"}}, "incus": {container, []string{"start", "launch"}}, "machinectl": {container, []string{"start"}},
	"virsh": {machine, []string{"start", "create"}}, "xl": {machine, []string{"create"}}, "VBoxManage": {machine, []string{"startvm"}},
	"exportfs":  {kernel, nil}, //nolint:misspell // the name of a program
	"targetcli": {kernel, nil}, "vgchange": {device, nil}, "zpool": {device, []string{"import"}}, "mdadm": {device, []string{"-A", "--assemble"}}, "cryptsetup": {device, []string{"open", "luksOpen"}},
}

// Agent says where the service of a resource of an OCF type lives, "" when that is among its processes as far as is known.
func Agent(t cluster.TypeName) string {
	if !strings.HasPrefix(string(t), "ocf:") {
		return ""
	}
	return agents[string(t[strings.LastIndexByte(string(t), ':')+1:])]
}

// Command says where what a command starts lives, "" when that is among its processes as far as can be seen.
func Command(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n;&|()'\"`=", r) })
	for _, m := range execsec.Parse(text).Programs {
		if strings.HasPrefix(m.Path, "/etc/init.d/") {
			return manager // where systemd runs, such a script asks it
		}
		s, ok := starters[m.Path[strings.LastIndexByte(m.Path, '/')+1:]]
		if ok && (s.words == nil || slices.ContainsFunc(s.words, func(w string) bool { return slices.Contains(words, w) })) {
			return s.where
		}
	}
	return ""
}

// Resource says where the service of a resource lives, "" when that is among its processes as far as is known.
func Resource(r model.Resource) string {
	if where := Agent(r.Type); where != "" {
		return where
	}
	for _, p := range r.Properties {
		switch {
		case len(p.Values) == 0:
		case strings.EqualFold(p.Name, "Start_command"):
			if where := Command(p.Values[0]); where != "" {
				return where
			}
		case strings.EqualFold(p.Name, "Child_policy") && strings.EqualFold(p.Values[0], "NONE"):
			return "runs outside of the processes of the resource (Child_policy is NONE)"
		}
	}
	return ""
}

// Caveat is what somebody has to know who has such a service run.
func Caveat(where string) string {
	return "it " + where + ": the guard of a node that has lost its lease can not end it, so it may run on two nodes at once; give every node of the nodelist a fence agent (redoubt node set-fence). A watchdog does not help"
}
