#!/bin/bash
# Builds and pushes each image named in IMAGES ("split:lambda detect:batch ..."). Run at the top of the source.
set -euo pipefail
aws ecr get-login-password | docker login --username AWS --password-stdin "${REPOSITORY%%/*}"
for image in $IMAGES; do
  room=${image%%:*} target=${image##*:}
  arguments=()
  if [ "$room" = detect ]; then
    arguments=(--build-arg "PACK_NAME=$PACK_NAME" --build-arg "PACK_SHA256=$PACK_SHA256")
  fi
  name="$REPOSITORY:$room-$target-$TAG"
  # Lambda takes no attestations beside an image.
  docker build --provenance=false --platform "$PLATFORM" --target "$target" --file "lambdas/$room/Dockerfile" \
    "${arguments[@]}" --tag "$name" .
  docker push "$name"
done
