// What tests/setup.sh builds for `make bench`: the last release of sriov-cni that a go.mod can name, since later ones
// carry a go.mod whose path lacks their major version; with libraries of its time.
module peers

go 1.21

// Its packages import each other by the name that the project had before.
replace github.com/intel/sriov-cni => github.com/k8snetworkplumbingwg/sriov-cni v2.1.0+incompatible

require github.com/intel/sriov-cni v2.1.0+incompatible

require (
	github.com/containernetworking/cni v0.6.0 // indirect
	github.com/containernetworking/plugins v0.7.1 // indirect
	github.com/coreos/go-iptables v0.4.2 // indirect
	github.com/onsi/ginkgo v1.8.0 // indirect
	github.com/onsi/gomega v1.5.0 // indirect
	github.com/stretchr/testify v1.3.0 // indirect
	github.com/vishvananda/netlink v1.0.0 // indirect
	github.com/vishvananda/netns v0.0.0-20180720170159-13995c7128cc // indirect
	golang.org/x/sys v0.0.0-20190616124812-15dcb6c0061f // indirect
)
