package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/applyconfigurations/apps/v1"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
)

// patches: every kind of patch of a built-in kind.
func patches(w *world) {
	deployments := w.client.AppsV1().Deployments(w.namespace)
	_, err := deployments.Create(w, deployment("a", 0), metav1.CreateOptions{})
	must(err)
	for _, each := range []struct {
		kind types.PatchType
		text string
	}{
		{types.StrategicMergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"A","value":"1"}]}]}}}}`},
		{types.StrategicMergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"more","image":"i"}],"$setElementOrder/containers":[{"name":"more"},{"name":"main"}]}}}}`},
		{types.StrategicMergePatchType, `{"spec":{"template":{"spec":{"containers":[{"name":"more","$patch":"delete"}]}}}}`},
		{types.StrategicMergePatchType, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`},
		{types.MergePatchType, `{"metadata":{"labels":{"x":"y","n":null}}}`},
		{types.JSONPatchType, `[{"op":"test","path":"/spec/replicas","value":0},{"op":"add","path":"/metadata/annotations","value":{"a":"b"}}]`},
		{types.JSONPatchType, `[{"op":"test","path":"/spec/replicas","value":7}]`},
		{types.JSONPatchType, `[{"op":"remove","path":"/spec/none"}]`},
		{types.JSONPatchType, `{}`},
		{types.MergePatchType, `{"status":{"replicas":3}}`},
		{types.MergePatchType, `{"spec":{"selector":{"matchLabels":{"n":"b"}}}}`},
		{types.PatchType("application/xml"), `{}`},
	} {
		found, err := deployments.Patch(w, "a", each.kind, []byte(each.text), metav1.PatchOptions{FieldManager: "foreign"})
		if err == nil {
			found.Status = appsv1.DeploymentStatus{}
			found.Generation = 0
			delete(found.Annotations, "deployment.kubernetes.io/revision")
		}
		say(string(each.kind)+" "+each.text, found, err)
	}
	_, err = deployments.Patch(w, "none", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
	say("patch of what is not there", nil, err)
	_, err = deployments.Patch(w, "a", types.ApplyPatchType, []byte(`{}`), metav1.PatchOptions{})
	say("an apply of nobody", nil, err)
}

// apply: typed configurations, conflicts between managers, and what a manager gets back as its own.
func apply(w *world) {
	ns := w.namespace
	deployments := w.client.AppsV1().Deployments(ns)
	container := applycore.Container().WithName("main").WithImage("one").WithEnv(applycore.EnvVar().WithName("A").WithValue("1"))
	config := v1.Deployment("a", ns).WithLabels(map[string]string{"n": "a"}).WithSpec(v1.DeploymentSpec().WithPaused(true).WithReplicas(0).
		WithSelector(applymeta.LabelSelector().WithMatchLabels(map[string]string{"n": "a"})).
		WithTemplate(applycore.PodTemplateSpec().WithLabels(map[string]string{"n": "a"}).WithSpec(applycore.PodSpec().WithContainers(container))))
	made, err := deployments.Apply(w, config, metav1.ApplyOptions{FieldManager: "one"})
	say("apply", made.Spec, err)
	must(err)
	own, err := v1.ExtractDeployment(made, "one")
	say("extracted", own, err)
	container.WithImage("two")
	_, err = deployments.Apply(w, config, metav1.ApplyOptions{FieldManager: "two"})
	say("conflict", nil, err)
	made, err = deployments.Apply(w, config, metav1.ApplyOptions{FieldManager: "two", Force: true})
	say("forced", made.Spec.Template.Spec.Containers, err)
	own, err = v1.ExtractDeployment(made, "one")
	say("what is left to the first", own, err)
	own.Spec.Template.Spec.Containers[0].Env = nil
	made, err = deployments.Apply(w, own, metav1.ApplyOptions{FieldManager: "one", Force: true})
	say("the first gives up a variable", made.Spec.Template.Spec.Containers, err)
	for _, each := range made.ManagedFields {
		if each.Manager != "kube-controller-manager" {
			fmt.Printf("owner: %s %s %s %s\n", each.Manager, each.Operation, each.APIVersion, each.FieldsV1.GetRawString())
		}
	}
	_, err = deployments.Apply(w, v1.Deployment("a", ns), metav1.ApplyOptions{})
	say("of nobody", nil, err)
	_, err = deployments.Apply(w, v1.Deployment("b", ns), metav1.ApplyOptions{FieldManager: "one"})
	say("of too little", nil, err)
	dry, err := w.client.CoreV1().ConfigMaps(ns).Apply(w, applycore.ConfigMap("c", ns).WithData(map[string]string{"k": "v"}), metav1.ApplyOptions{FieldManager: "one", DryRun: []string{"All"}})
	say("dry run", dry, err)
	status, err := w.client.CoreV1().Pods(ns).Create(w, pod("p"), metav1.CreateOptions{})
	must(err)
	condition := applycore.PodCondition().WithType("x.y/z").WithStatus(corev1.ConditionTrue)
	status, err = w.client.CoreV1().Pods(ns).ApplyStatus(w, applycore.Pod("p", ns).WithStatus(applycore.PodStatus().WithConditions(condition)), metav1.ApplyOptions{FieldManager: "one"})
	must(err)
	for _, each := range status.Status.Conditions {
		if each.Type == "x.y/z" {
			say("status", each, nil)
		}
	}
	ownStatus, err := applycore.ExtractPodStatus(status, "one")
	say("extracted status", ownStatus, err)
}

// deletion: preconditions, propagation, collections.
func deletion(w *world) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	made := map[string]*corev1.ConfigMap{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		body := &corev1.ConfigMap{ObjectMeta: named(name)}
		if name == "e" {
			body.Finalizers = []string{"x.y/z"}
		}
		var err error
		made[name], err = configMaps.Create(w, body, metav1.CreateOptions{})
		must(err)
	}
	other, old := types.UID("other"), "1"
	say("other UID", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}}))
	say("old version", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &old}}))
	say("dry run", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{DryRun: []string{"All"}}))
	say("both right", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made["a"].UID, ResourceVersion: &made["a"].ResourceVersion}}))
	say("collection", nil, configMaps.DeleteCollection(w, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "n in (b, c)"}))
	list, err := configMaps.List(w, metav1.ListOptions{LabelSelector: "n"})
	must(err)
	for _, each := range list.Items {
		fmt.Printf("left: %s\n", each.Name)
	}
	say("finalized", nil, configMaps.Delete(w, "e", metav1.DeleteOptions{}))
	going, err := configMaps.Get(w, "e", metav1.GetOptions{})
	must(err)
	fmt.Printf("going: %v %v\n", going.DeletionTimestamp != nil, *going.DeletionGracePeriodSeconds)
	going.Finalizers = append(going.Finalizers, "x.y/w")
	_, err = configMaps.Update(w, going, metav1.UpdateOptions{})
	fmt.Printf("another finalizer is refused: %v\n", err != nil)
	going.Finalizers = nil
	_, err = configMaps.Update(w, going, metav1.UpdateOptions{})
	say("no finalizer", nil, err)
	_, err = configMaps.Get(w, "e", metav1.GetOptions{})
	say("gone", nil, err)
	policy := metav1.DeletionPropagation("Sideways")
	say("bad policy", nil, configMaps.Delete(w, "d", metav1.DeleteOptions{PropagationPolicy: &policy}))
	owned(w, made["d"])
}

// owned: what an owner leaves behind.
func owned(w *world, owner *corev1.ConfigMap) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	child := func(name string) {
		body := &corev1.ConfigMap{ObjectMeta: named(name)}
		body.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
		_, err := configMaps.Create(w, body, metav1.CreateOptions{})
		must(err)
	}
	child("orphan")
	policy := metav1.DeletePropagationOrphan
	say("orphan", nil, configMaps.Delete(w, "d", metav1.DeleteOptions{PropagationPolicy: &policy}))
	w.until("orphaned", func() bool {
		found, err := configMaps.Get(w, "orphan", metav1.GetOptions{})
		return err == nil && len(found.OwnerReferences) == 0
	})
	for name, policy := range map[string]metav1.DeletionPropagation{"fore": metav1.DeletePropagationForeground, "back": metav1.DeletePropagationBackground} {
		var err error
		owner, err = configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named(name)}, metav1.CreateOptions{})
		must(err)
		child(name + "-child")
		must(configMaps.Delete(w, name, metav1.DeleteOptions{PropagationPolicy: &policy}))
		w.until(name, func() bool {
			list, err := configMaps.List(w, metav1.ListOptions{LabelSelector: "n in (" + name + "," + name + "-child)"})
			return err == nil && len(list.Items) == 0
		})
	}
}
