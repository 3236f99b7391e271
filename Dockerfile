# docker build -t alignscope .
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" alignscope audit x1.npy x2.npy --y1 y1.npy --out run/
# With torch (study, paper, bench): docker build --build-arg EXTRAS="[train]" -t alignscope .
FROM python:3.13-slim
ARG EXTRAS=""
COPY . /src
RUN pip install --no-cache-dir --constraint /src/constraints.txt "/src${EXTRAS}" && rm -rf /src
RUN useradd --create-home user
USER user
WORKDIR /data
ENTRYPOINT ["alignscope"]
CMD ["--help"]
